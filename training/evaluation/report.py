"""Evaluation reports: a folder with numbers (JSON), pictures, and a page that shows both."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from ..datasets.store import DataError
from .calibrate import Calibration
from .metrics import BINS, Metrics, measure
from .predictions import STREAMS, Predictions
from .robustness import Curve

matplotlib.use('Agg')
import matplotlib.pyplot as plt

REPORT, PAGE, PREDICTIONS = 'report.json', 'report.md', 'predictions.npz'


@dataclass(frozen=True)
class Fold:
    """One training and its test."""

    name: str  # of the split
    seed: int
    accuracy: dict[str, float]  # top-1 of 'fused', 'body', 'hand' as there are
    clips: int
    train_clips: int
    seconds: float  # of training
    memory_mb: float  # most resident memory of the process so far


def spread(folds: Sequence[Fold]) -> dict[str, dict[str, float]]:
    """Return for each stream the mean over folds, then mean and standard deviation over seeds."""
    result = {}
    for stream in (name for name in STREAMS if name in folds[0].accuracy):
        per_seed = [
            np.mean([f.accuracy[stream] for f in folds if f.seed == seed])
            for seed in sorted({f.seed for f in folds})
        ]
        result[stream] = {
            'mean': round(float(np.mean(per_seed)), 4),
            'std': round(float(np.std(per_seed)), 4),
            'seeds': len(per_seed),
        }
    return result


def draw_confusion(metrics: Metrics, path: Path) -> None:
    """Draw the confusion matrix, rows normalised, counts where there is room."""
    names = [c.name for c in metrics.classes]
    counts = np.array(metrics.confusion, float)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = max(4.0, 0.35 * len(names) + 2)
    figure, axis = plt.subplots(figsize=(size, size))
    axis.imshow(share, cmap='Blues', vmin=0, vmax=1)
    if len(names) <= 30:
        for a, b in np.argwhere(counts):
            axis.text(
                b,
                a,
                int(counts[a, b]),
                ha='center',
                va='center',
                fontsize=6,
                color='white' if share[a, b] > 0.5 else 'black',
            )
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    axis.set_yticks(range(len(names)), names, fontsize=7)
    axis.set_xlabel('answered')
    axis.set_ylabel('true')
    save_figure(figure, path)


def draw_reliability(
    predictions: Predictions, calibration: Calibration | None, path: Path
) -> None:
    """Draw accuracy against confidence, before and after temperature scaling."""
    figure, axis = plt.subplots(figsize=(4.5, 4))
    axis.plot([0, 1], [0, 1], color='grey', linewidth=0.8)
    temperatures = {'as trained': 1.0}
    if calibration:
        temperatures[f'temperature {calibration.temperature:.2f}'] = calibration.temperature
    edges = np.linspace(0, 1, BINS + 1)
    for name, temperature in temperatures.items():
        p = predictions.probabilities(temperature)
        best, hit = p.max(1), p.argmax(1) == predictions.label
        which = np.clip(np.digitize(best, edges) - 1, 0, BINS - 1)
        bins = [k for k in range(BINS) if (which == k).any()]
        axis.plot(
            [best[which == k].mean() for k in bins],
            [hit[which == k].mean() for k in bins],
            marker='o',
            label=name,
        )
    axis.set_xlabel('probability of the answer')
    axis.set_ylabel('share that is right')
    axis.legend()
    save_figure(figure, path)


def draw_curves(curves: Sequence[Curve], path: Path) -> None:
    """Draw accuracy against the strength of each corruption, a line for each stream."""
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.8 * rows), squeeze=False)
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    for axis, curve in zip(axes.flat, curves, strict=False):
        for stream, values in curve.mean.items():
            axis.errorbar(
                curve.x, values, curve.std[stream], marker='o', markersize=3, label=stream
            )
        axis.set_title(curve.name, fontsize=9)
        axis.set_xlabel(curve.unit, fontsize=8)
        axis.set_ylim(0, 1.02)
    axes[0, 0].legend(fontsize=8)
    save_figure(figure, path)


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Write a figure to a file and forget it."""
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_report(
    folder: Path,
    protocol: str,
    predictions: Predictions,
    folds: Sequence[Fold] = (),
    calibration: Calibration | None = None,
    curves: Sequence[Curve] = (),
    subsets: dict[str, float] | None = None,
    windows: Predictions | None = None,
) -> Metrics:
    """Write everything into `folder` and return the scores of all predictions together.

    `windows`: of the same clips, where those are longer than the model's window; calibration and
    reliability are of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metrics = measure(predictions)
    seen = predictions if windows is None else windows
    data = {
        'protocol': protocol,
        'metrics': asdict(metrics),
        'spread': spread(folds) if folds else {},
        'folds': [asdict(f) for f in folds],
        'calibration': asdict(calibration) if calibration else None,
        'windows': {
            'count': len(seen),
            'top1': float((seen.fused.argmax(1) == seen.label).mean()),
        },
        'robustness': [asdict(curve) for curve in curves],
        'subsets': subsets or {},
    }
    (folder / REPORT).write_text(json.dumps(data, indent=1) + '\n')
    predictions.save(folder / PREDICTIONS)
    draw_confusion(metrics, folder / 'confusion.png')
    draw_reliability(seen, calibration, folder / 'reliability.png')
    if curves:
        draw_curves(curves, folder / 'robustness.png')
    (folder / PAGE).write_text(_page(data, metrics))
    return metrics


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown; floats with three decimals."""

    def text(value: Any) -> str:
        return f'{value:.3f}' if isinstance(value, float) else str(value)

    lines = [head, ['---'] * len(head), *[[text(cell) for cell in row] for row in rows]]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines) + '\n'


def _page(data: dict[str, Any], metrics: Metrics) -> str:
    parts = [
        f'# {data["protocol"]}\n',
        table(
            ['clips', 'top-1', 'top-5', 'macro F1', 'ECE', 'NLL'],
            [
                [
                    metrics.clips,
                    metrics.top1,
                    '' if metrics.top5 is None else metrics.top5,
                    metrics.macro_f1,
                    metrics.ece,
                    metrics.nll,
                ]
            ],
        ),
    ]
    if metrics.mistakes:
        parts.append('Most frequent mistakes: ' + '; '.join(metrics.mistakes) + '.\n')
    if data['windows']['count'] > metrics.clips:
        parts.append(
            f"In windows of the model's own length: top-1 {data['windows']['top1']:.3f} "
            f'of {data["windows"]["count"]}.\n'
        )
    if data['folds']:
        streams = list(data['folds'][0]['accuracy'])
        parts += [
            '## Folds\n',
            table(
                ['split', 'seed', *streams, 'clips', 'trained on', 'seconds'],
                [
                    [
                        f['name'],
                        f['seed'],
                        *f['accuracy'].values(),
                        f['clips'],
                        f['train_clips'],
                        round(f['seconds']),
                    ]
                    for f in data['folds']
                ],
            ),
        ]
        parts.append(
            'Mean over folds, mean and standard deviation over seeds: '
            + '; '.join(
                f'{name} {s["mean"]:.3f} ± {s["std"]:.3f}' for name, s in data['spread'].items()
            )
            + '.\n'
        )
    if data['calibration']:
        parts += [
            '## Calibration\n',
            table(list(data['calibration']), [list(data['calibration'].values())]),
        ]
    if data['subsets']:
        parts += ['## Subsets\n', table(['subset', 'top-1'], list(data['subsets'].items()))]
    parts += [
        '## Classes\n',
        table(
            ['class', 'clips', 'recall', 'precision', 'F1'],
            [[c.name, c.clips, c.recall, c.precision, c.f1] for c in metrics.classes],
        ),
        '![confusion](confusion.png)\n',
        '![reliability](reliability.png)\n',
    ]
    if data['robustness']:
        parts.append('## Robustness\n\nTop-1 under each corruption, mean over draws.\n')
        parts += [
            table(
                [f'{curve["name"]}, {curve["unit"]}', *map(str, curve['x'])],
                [[stream, *values] for stream, values in curve['mean'].items()],
            )
            for curve in data['robustness']
        ]
        parts.append('![robustness](robustness.png)\n')
    return '\n'.join(parts)


def read_report(folder: Path) -> dict[str, Any]:
    """Read a report; DataError in one line if the folder holds none."""
    file = folder / REPORT
    try:
        data = json.loads(file.read_text())
        data['metrics']['top1'], data['folds'], data['protocol']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f'{file}: no report in it ({error!r})') from error
    return data


def compare(folders: Sequence[Path], to: Path) -> str:
    """Set reports side by side; write compare.md and compare.png into `to`, return the table."""
    names = [folder.name for folder in folders]
    reports = {
        name if names.count(name) == 1 else str(folder): read_report(folder)
        for name, folder in zip(names, folders, strict=True)
    }
    splits = list(dict.fromkeys(f['name'] for r in reports.values() for f in r['folds']))
    rows = []
    for name, report in reports.items():
        per_split = []
        for split in splits:
            here = [f['accuracy']['fused'] for f in report['folds'] if f['name'] == split]
            per_split.append(f'{np.mean(here):.3f} ± {np.std(here):.3f}' if here else '')
        # Over all trainings: how often the answer is below the best stream it is made of.
        below = sum(f['accuracy']['fused'] < max(f['accuracy'].values()) for f in report['folds'])
        total = report['spread'].get('fused')
        rows.append(
            [
                name,
                *per_split,
                f'{total["mean"]:.3f} ± {total["std"]:.3f}'
                if total
                else f'{report["metrics"]["top1"]:.3f}',
                *(
                    f'{report["spread"][s]["mean"]:.3f}' if s in report['spread'] else ''
                    for s in STREAMS[1:]
                ),
                f'{below} of {len(report["folds"])}',
            ]
        )
    text = table(
        ['report', *splits, 'mean', 'body alone', 'hand alone', 'fused below a stream'], rows
    )
    to.mkdir(parents=True, exist_ok=True)
    (to / 'compare.md').write_text(text)
    figure, axis = plt.subplots(figsize=(6, 0.4 * len(reports) + 1.5))
    for y, report in enumerate(reports.values()):
        values = [f['accuracy']['fused'] for f in report['folds']] or [report['metrics']['top1']]
        axis.plot(values, [y] * len(values), 'o', alpha=0.5)
        axis.plot(np.mean(values), y, 'k|', markersize=14)
    axis.set_yticks(range(len(reports)), list(reports))
    axis.invert_yaxis()
    axis.set_xlabel('top-1 of each fold and seed; bar: mean')
    save_figure(figure, to / 'compare.png')
    return text
