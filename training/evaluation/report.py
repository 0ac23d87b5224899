"""Evaluation reports: a folder with numbers (JSON), pictures, and a page that shows both."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bharnet_ros.system.writing import write_text

from ..errors import DataError
from .calibrate import Calibration
from .figures import draw_confusion, draw_curves, draw_reliability
from .metrics import Fold, Metrics, compute_metrics, spread
from .predictions import Predictions
from .robustness import Curve
from .tables import markdown_table

REPORT, PAGE, PREDICTIONS = 'report.json', 'report.md', 'predictions.npz'


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
    metrics = compute_metrics(predictions)
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
    write_text(folder / REPORT, json.dumps(data, indent=1) + '\n')
    predictions.save(folder / PREDICTIONS)
    draw_confusion(metrics, folder / 'confusion.png')
    draw_reliability(seen, calibration, folder / 'reliability.png')
    if curves:
        draw_curves(curves, folder / 'robustness.png')
    write_text(folder / PAGE, _page(data, metrics))
    return metrics


def _page(data: dict[str, Any], metrics: Metrics) -> str:
    parts = [
        f'# {data["protocol"]}\n',
        markdown_table(
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
            markdown_table(
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
            markdown_table(list(data['calibration']), [list(data['calibration'].values())]),
        ]
    if data['subsets']:
        parts += [
            '## Subsets\n',
            markdown_table(['subset', 'top-1'], list(data['subsets'].items())),
        ]
    parts += [
        '## Classes\n',
        markdown_table(
            ['class', 'clips', 'recall', 'precision', 'F1'],
            [[c.name, c.clips, c.recall, c.precision, c.f1] for c in metrics.classes],
        ),
        '![confusion](confusion.png)\n',
        '![reliability](reliability.png)\n',
    ]
    if data['robustness']:
        parts.append('## Robustness\n\nTop-1 under each corruption, mean over draws.\n')
        parts += [
            markdown_table(
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
