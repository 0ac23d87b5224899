"""The report of a model on people that it never met: JSON, a page, and a picture."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..evaluation.figures import plt, save_figure
from ..evaluation.report import PAGE
from ..evaluation.tables import markdown_table
from .strangers import StrangersReport

STRANGERS, PICTURE = 'strangers.json', 'strangers.png'


def strangers_table(report: StrangersReport) -> str:
    """Return what the command prints."""
    rates = report.rates
    words = markdown_table(
        ['word', 'people', 'clips', 'top-1', 'told'],
        [[w.word, w.people, w.clips, w.top1, w.told] for w in report.words]
        + [['mean', report.people, report.known, report.top1, rates.right]],
    )
    shares = markdown_table(
        ['threshold', 'right event', 'wrong event', f'false event of {report.unknown} unknown'],
        [[rates.threshold, rates.right, rates.wrong, rates.false]],
    )
    mistakes = ', '.join(f'{label} -> {event} ({n})' for label, event, n in report.mistakes)
    return f'{words}\n{shares}\nMost frequent mistakes: {mistakes or "none"}\n'


def write_strangers_report(folder: Path, protocol: str, report: StrangersReport) -> None:
    """Write everything into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {'protocol': protocol} | asdict(report)
    (folder / STRANGERS).write_text(json.dumps(data, indent=1, ensure_ascii=False) + '\n')
    draw_strangers(report, folder / PICTURE)
    (folder / PAGE).write_text(
        f'# {protocol}\n\n{strangers_table(report)}\n![]({PICTURE})\n', encoding='utf-8'
    )


def draw_strangers(report: StrangersReport, path: Path) -> None:
    """Draw each word's top-1, and right and wrong events against false ones over thresholds."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    names = [f'{score.word} ({score.people})' for score in report.words]
    left.barh(names[::-1], [score.top1 for score in report.words][::-1])
    left.set_xlim(0, 1)
    left.set_xlabel('top-1, averaged over people (their number)')
    false = [point.false for point in report.curve]
    for name in ('right', 'wrong'):
        right.plot(false, [getattr(point, name) for point in report.curve], label=f'{name} event')
        right.plot(report.rates.false, getattr(report.rates, name), 'ko')
    right.set_xlabel(f'share of {report.unknown} unknown clips with an event')
    right.set_ylabel(f'share of {report.known} known clips')
    right.set_ylim(0, 1)
    right.legend()
    save_figure(figure, path)


def read_strangers_report(folder: Path) -> dict[str, Any]:
    """Return what a contract carries of a report; DataError if there is none."""
    file = folder / STRANGERS
    try:
        data = json.loads(file.read_text(encoding='utf-8'))
        del data['curve']
        float(data['rates']['threshold'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f'{file}: no report of strangers ({error}); `bharnet-train strangers` writes one'
        ) from error
    return data
