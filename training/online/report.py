"""Reports of the online benchmark: numbers (JSON), pictures over time, and a page with both."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bharnet_ros.recognition.decision import DecisionConfig, Policy
from bharnet_ros.types import SECOND, State

from ..evaluation.report import PAGE, REPORT, plt, save_figure, table
from .benchmark import OnlineFold
from .metrics import (
    BACKGROUND,
    OVERLAPS,
    SETTLED,
    OnlineMetrics,
    frame_precision,
    measure_online,
    pieces,
    shown,
)
from .playback import Take
from .streams import IDLE, KNOWN, UNKNOWN
from .tuning import DELAY_GOAL, F1_GOAL, FALSE_GOAL, OBJECTIVE, objective, tune

ROW = 30.0  # seconds in a row of the picture


@dataclass(frozen=True)
class Setting:
    """A setting of the decision and its scores on the report parts."""

    name: str
    decision: DecisionConfig
    metrics: OnlineMetrics
    folds: list[OnlineMetrics]  # one for each fold
    on_tune: OnlineMetrics | None  # on the tune parts

    @property
    def numbers(self) -> dict[str, float]:
        """The decision without its lists of labels, which a stream has no use for."""
        return {
            name: value
            for name, value in asdict(self.decision).items()
            if not isinstance(value, tuple)
        }


def judge(folds: Sequence[OnlineFold]) -> list[Setting]:
    """Score the default setting and, if there are tune parts, the one chosen on them."""
    parts = [fold.tune for fold in folds if fold.tune is not None]

    def setting(name: str, decision: DecisionConfig) -> Setting:
        def score(takes: Sequence[Take]) -> OnlineMetrics:
            return measure_online([take.run(decision) for take in takes])

        return Setting(
            name,
            decision,
            score([fold.report for fold in folds]),
            [score([fold.report]) for fold in folds],
            score(parts) if parts else None,
        )

    settings = [setting('default', DecisionConfig())]
    if parts:
        settings.append(setting('tuned', tune(parts)[0]))
    return settings


def mean_precision(takes: Sequence[Take]) -> tuple[float, dict[str, float]]:
    """Return frame mAP over all takes, background included, and that of each class."""
    contract = takes[0].recording.contract
    each = frame_precision(
        np.concatenate([take.recording.at(take.course.stamps) for take in takes]),
        np.concatenate([take.course.labels for take in takes]),
        contract.labels,
        [name for name in (contract.idle, contract.unknown) if name is not None],
    )
    return float(np.mean(list(each.values()))), each


def draw(take: Take, decision: DecisionConfig, path: Path) -> None:
    """Draw a stream in rows: truth above, actions below, probabilities between them."""
    course, told = take.run(decision)
    threshold = Policy.of(decision, take.recording.contract).threshold
    answer, scores = shown(course.stamps, told.events), take.recording.at(course.stamps)
    strange = np.where(told.state(course.stamps) == State.UNKNOWN, 0, BACKGROUND)
    seconds = (course.stamps - course.stamps[0]) / SECOND
    colours = plt.get_cmap('tab20')(np.arange(len(course.names)) % 20)
    count = max(1, int(np.ceil(seconds[-1] / ROW)))
    figure, axes = plt.subplots(count, 1, figsize=(13, 1.5 * count), squeeze=False)

    def bar(first: float, last: float, y: float, colour: Any, text: str) -> None:
        for axis, start in zip(axes.flat, np.arange(count) * ROW, strict=True):
            if first < start + ROW and last > start:
                axis.broken_barh([(first, last - first)], (y, 0.3), facecolors=[colour])
                axis.text(max(first, start) + 0.1, y + 0.06, text, fontsize=7, clip_on=True)

    for segment in course.segments:
        first, last = (
            (stamp - course.stamps[0]) / SECOND for stamp in (segment.start, segment.stop)
        )
        colour = {IDLE: 'whitesmoke', UNKNOWN: 'darkgrey'}.get(segment.kind)
        if colour is None:
            colour = colours[course.names.index(segment.label)]
        text = f'{segment.label} ?' if segment.kind == UNKNOWN else segment.label
        bar(first, last, 1.05, colour, text)
    for label, first, last in pieces(answer):
        bar(seconds[first], seconds[last - 1], -0.35, colours[label], course.names[label])
    for _, first, last in pieces(strange):
        bar(seconds[first], seconds[last - 1], -0.35, 'darkgrey', '?')
    for row, axis in enumerate(axes.flat):
        for k, name in enumerate(course.names):
            if name != take.recording.contract.idle:
                axis.plot(seconds, scores[:, k], color=colours[k], linewidth=1)
        axis.axhline(threshold, color='grey', linewidth=0.5, linestyle=':')
        axis.set_xlim(row * ROW, (row + 1) * ROW)
        axis.set_ylim(-0.4, 1.4)
        axis.set_yticks([-0.2, 0.5, 1.2], ['action', 'score', 'truth'], fontsize=7)
        axis.tick_params(axis='x', labelsize=7)
    axes[-1, 0].set_xlabel(
        'seconds; "?": an action that the model never learned; below, where '
        'the state is "unknown"',
        fontsize=8,
    )
    save_figure(figure, path)


def write_online_report(
    folder: Path, protocol: str, folds: Sequence[OnlineFold], notes: Sequence[str] = ()
) -> list[Setting]:
    """Tune, score, write everything into `folder`, and return the settings with their scores."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = judge(folds)
    mean, each = mean_precision([fold.report for fold in folds])
    pictures = []
    for fold in folds:
        name = f'{fold.name.replace("/", "-")} seed {fold.seed}.png'
        draw(fold.report, settings[-1].decision, folder / name)
        pictures.append(name)
    data = {
        'protocol': protocol,
        'notes': list(notes),
        'objective': OBJECTIVE,
        'goals': {'f1_50': F1_GOAL, 'false_per_minute': FALSE_GOAL, 'delay_p50': DELAY_GOAL},
        'frame_map': mean,
        'frame_precision': each,
        'settings': [asdict(setting) for setting in settings],
        'folds': [
            {
                'name': fold.name,
                'seed': fold.seed,
                'model_id': fold.model_id,
                'train_clips': fold.train_clips,
                'frame_map': mean_precision([fold.report])[0],
                'clips_again': fold.report.again,
                'seconds': fold.seconds,
            }
            for fold in folds
        ],
        'pictures': pictures,
    }
    (folder / REPORT).write_text(json.dumps(data, indent=1) + '\n')
    (folder / PAGE).write_text(page(data, folds, settings))
    return settings


def _cells(metrics: OnlineMetrics) -> list[Any]:
    def known(value: float | None) -> float | str:
        return '' if value is None else value

    return [
        *(metrics.f1[overlap] for overlap in OVERLAPS),
        *map(
            known,
            (
                metrics.false_per_minute,
                metrics.false_idle,
                metrics.false_unknown,
                metrics.delay_p50,
                metrics.delay_p90,
                metrics.linger_p50,
            ),
        ),
        metrics.missed,
        metrics.changes_per_second,
        *(known(metrics.told_unknown[kind]) for kind in (UNKNOWN, KNOWN, IDLE)),
    ]


HEAD = [
    *(f'F1@{overlap}' for overlap in OVERLAPS),
    'false/min',
    'idle',
    'unknown',
    'delay p50 s',
    'p90 s',
    'linger p50 s',
    'missed',
    'changes/s',
    'told unknown',
    'of known',
    'of idle',
]


def summary(settings: Sequence[Setting]) -> str:
    """Return the main table: a line for each setting."""
    return table(
        ['setting', *HEAD], [[setting.name, *_cells(setting.metrics)] for setting in settings]
    )


def page(data: dict[str, Any], folds: Sequence[OnlineFold], settings: Sequence[Setting]) -> str:
    """Return the report as Markdown."""
    metrics = settings[0].metrics
    spent = ', '.join(f'{kind} {minutes:.1f}' for kind, minutes in metrics.minutes.items())
    decisions = [setting.numbers for setting in settings]
    parts = [
        f'# {data["protocol"]}\n',
        *(f'{note}\n' for note in data['notes']),
        summary(settings),
        f'Frame mAP with background {data["frame_map"]:.3f}. {metrics.words} known words; '
        f'minutes: {spent}. The truth changes {metrics.true_changes_per_second:.2f} times a '
        f'second. Goals: F1@50 {F1_GOAL} or better, false/min under {FALSE_GOAL}, delay p50 under '
        f'{DELAY_GOAL} s. Told unknown: share of the time of unknown actions, known words and '
        f'idle, from {SETTLED} s after their first frame, in which the state is "unknown".\n',
        '## Settings\n',
        table(
            ['setting', *decisions[0], 'objective on tune parts'],
            [
                [
                    setting.name,
                    *values.values(),
                    '' if setting.on_tune is None else objective(setting.on_tune),
                ]
                for setting, values in zip(settings, decisions, strict=True)
            ],
        ),
        "threshold 0 is the model's own (0.6 where it has none), exit_threshold 0 two thirds of "
        f'it, max_idle 1 off. Objective: {data["objective"]}. Tuned on other clips of the same '
        'people than those reported on.\n',
        '## Folds\n',
        table(
            ['left out', 'seed', 'setting', *HEAD, 'frame mAP', 'trained on', 'clips again'],
            [
                [
                    fold.name,
                    fold.seed,
                    setting.name,
                    *_cells(setting.folds[i]),
                    data['folds'][i]['frame_map'],
                    'given' if fold.train_clips is None else fold.train_clips,
                    fold.report.again,
                ]
                for i, fold in enumerate(folds)
                for setting in settings
            ],
        ),
        '## Classes\n',
        table(['class', 'average precision over frames'], list(data['frame_precision'].items())),
        '## Over time\n',
        f'Actions are those of the setting "{settings[-1].name}".\n',
        *(f'![{name}](<{name}>)\n' for name in data['pictures']),
    ]
    return '\n'.join(parts)
