"""What a model file says about itself: a page for people, JSON for programs."""

import json
import textwrap
from collections.abc import Iterable
from typing import Any

from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import OWN_THRESHOLD

WIDTH, INDENT = 79, 12  # of the page, and of what stands beside the names
SCORES = {'top1': 'top-1', 'macro_f1': 'macro F1', 'ece': 'calibration error'}


def as_json(model: Model) -> str:
    """Return the whole contract, with file and id."""
    data = {'file': str(model.path), 'model_id': model.model_id}
    return json.dumps(data | json.loads(model.contract.to_json()), indent=1)


def as_page(model: Model) -> str:
    """Return what a person asks first, on a screen; numbers that the contract lacks are left out.

    A contract that comes from elsewhere may hold anything in its free parts: what is not as our
    export writes it is left out, too.
    """
    contract = model.contract
    rows = [
        ('model', f'{contract.name} (id {model.model_id})'),
        ('file', str(model.path)),
        ('classes', _classes(contract)),
        ('window', _window(contract)),
        ('threshold', _threshold(contract)),
        ('data', _data(contract)),
        ('licence', f'{contract.license}, of the model'),
        ('scores', _scores(contract)),
        ('strangers', _strangers(contract)),
        ('streams', _streams(contract)),
        ('made by', f'version {contract.package_version}, commit {contract.commit}'),
    ]
    page = [_row(name, text) for name, text in rows if text]
    page += [_row('note', note) for note in contract.notes if isinstance(note, str)]
    return '\n'.join([*page, '', 'all of it, for programs: bharnet info --json'])


def _row(name: str, text: str) -> str:
    printable = ''.join(c if c.isprintable() else ' ' for c in text)
    # Paths and commits are never cut, so that they can be copied.
    return textwrap.fill(
        printable,
        WIDTH,
        initial_indent=f'{name:<{INDENT}}',
        subsequent_indent=' ' * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _classes(contract: Contract) -> str:
    people = _mapping(contract.training.get('people'))
    told = []
    for label in contract.actions:
        count = people.get(label)
        told.append(f'{label} ({count})' if isinstance(count, int) else label)
    text = f'{len(told)} actions: {", ".join(told)}'
    if any(label in people for label in contract.actions):
        text += '. In brackets: people or sessions each was learned from'
    if contract.idle is not None:
        text += f". '{contract.idle}' is rest"
    if contract.unknown is not None:
        text += f". '{contract.unknown}' is any other action"
    return text + '.'


def _window(contract: Contract) -> str:
    rate = contract.window_steps / contract.window_seconds
    return (
        f'{contract.window_seconds:g} s in {contract.window_steps} steps, {rate:.3g} images a '
        f'second; keypoints {contract.layout}'
        + ('' if contract.uses_hands else ', the body alone')
    )


def _threshold(contract: Contract) -> str:
    own = contract.rejection_threshold
    if own is None:
        return f"{OWN_THRESHOLD:g}: the model has none of its own, this is everybody's"
    after = contract.min_duration
    return f'{own:.2f}: an action starts with at least this probability' + (
        ', unless you set threshold'
        if after is None
        else f' for {after:g} s, unless you set threshold or min_duration'
    )


def _data(contract: Contract) -> str:
    sources = _mappings(contract.training.get('sources'))
    return ', '.join(f'{source.get("name")} ({source.get("license")})' for source in sources)


def _scores(contract: Contract) -> str:
    metrics = contract.metrics
    told = [
        f'{name} {metrics[key]:.3f}'
        for key, name in SCORES.items()
        if isinstance(metrics.get(key), (int, float))
    ]
    if not told:
        return (
            ''
            if _strangers(contract) or _streams(contract)
            else 'none: it was exported without a report'
        )
    clips = metrics.get('clips')
    on = f'on {clips} clips: ' if isinstance(clips, int) else ''
    return on + ', '.join(told) + _folds(metrics.get('folds'))


def _strangers(contract: Contract) -> str:
    """Return how the model did, as events at its threshold, with people left out of training."""
    found = _mapping(contract.metrics.get('strangers'))
    rates = _mapping(found.get('rates'))
    names = ('threshold', 'right', 'wrong', 'false')
    threshold, right, wrong, false = (rates.get(name) for name in names)
    numbers = (threshold, right, wrong, false, found.get('people'))
    if not all(isinstance(number, (int, float)) for number in numbers):
        return ''
    return (
        f'{found["people"]} people left out of training, at threshold {threshold:.2f}: the right '
        f'action in {right:.0%} of {found.get("known")} clips of its own, another one in '
        f'{wrong:.0%}, and any in {false:.0%} of {found.get("unknown")} clips of other actions'
    )


def _streams(contract: Contract) -> str:
    """Return how the model did in recorded streams of people left out of training."""
    online = _mapping(contract.metrics.get('online'))
    found, groups = _mapping(online.get('metrics')), _mapping(online.get('groups'))
    numbers = [found.get(name) for name in ('f1_starts', 'false_per_minute', 'delay_p50', 'words')]
    if not all(isinstance(number, (int, float)) for number in numbers):
        return ''
    score, false, delay, words = numbers
    return (
        f'{len(groups)} people left out of training in turn: F1 of the starts of {words} actions '
        f'{score:.3f}, {false:.2f} false starts a minute of rest, median delay {delay:.2f} s'
    )


def _folds(folds: object) -> str:
    """Return what was left out, and how right the model was about it."""
    told = []
    for fold in _mappings(folds):
        right = _mapping(fold.get('accuracy')).get('fused')
        if isinstance(right, (int, float)):
            told.append(f'{fold.get("name")} {right:.3f}')
    return f'; {", ".join(told)}' if told else ''


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
