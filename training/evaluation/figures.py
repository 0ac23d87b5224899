"""Pictures of evaluation reports, by matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from bharnet_ros.system.writing import whole_file

from ..lettering import readable
from .calibrate import Calibration
from .metrics import BINS, Metrics
from .predictions import Predictions
from .robustness import Curve

matplotlib.use('Agg')
import matplotlib.pyplot as plt


def draw_confusion(metrics: Metrics, path: Path) -> None:
    """Draw the confusion matrix, rows normalised, counts where there is room."""
    names = readable([c.name for c in metrics.classes])
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


def draw_comparison(reports: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw the accuracy of every fold, a line for each report, by name; see `read_report`."""
    figure, axis = plt.subplots(figsize=(6, 0.4 * len(reports) + 1.5))
    for y, report in enumerate(reports.values()):
        values = [f['accuracy']['fused'] for f in report['folds']] or [report['metrics']['top1']]
        axis.plot(values, [y] * len(values), 'o', alpha=0.5)
        axis.plot(np.mean(values), y, 'k|', markersize=14)
    axis.set_yticks(range(len(reports)), list(reports))
    axis.invert_yaxis()
    axis.set_xlabel('top-1 of each fold and seed; bar: mean')
    save_figure(figure, path)


def save_figure(figure: plt.Figure, path: Path) -> None:
    """Write a figure to a file and forget it."""
    figure.tight_layout()
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110)
    plt.close(figure)
