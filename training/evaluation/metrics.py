"""Scores of predictions, by torchmetrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchmetrics.classification import (
    BinaryAUROC,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
)

from .predictions import STREAMS, Predictions

BINS = 15


@dataclass(frozen=True)
class ClassScore:
    """One class: share of its clips that were found, share of such answers that were right."""

    name: str
    clips: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """Scores of a set of predictions; accuracies are shares of clips."""

    clips: int
    top1: float
    top5: float | None  # None with five classes or fewer
    macro_f1: float
    ece: float  # expected calibration error of the fused answer, 15 bins
    nll: float  # mean negative log-likelihood, nats
    streams: dict[str, float]  # top-1 of each stream
    groups: dict[str, float]  # top-1 of each person or session
    classes: list[ClassScore]
    confusion: list[list[int]]  # [true][answered]
    mistakes: list[str]  # the most frequent, as 'true -> answered (n)'


def compute_metrics(predictions: Predictions, temperature: float = 1.0) -> Metrics:
    """Compute all scores."""
    names = predictions.class_names
    K = len(names)
    p = torch.tensor(predictions.probabilities(temperature), dtype=torch.float32)
    y = torch.tensor(predictions.label)

    def score(metric: type, z: torch.Tensor = p, **settings) -> torch.Tensor:
        return metric(K, **settings)(z, y)

    def top1(z: np.ndarray) -> float:
        return float((z.argmax(1) == predictions.label).mean())

    each = [
        score(metric, average=None).tolist()
        for metric in (MulticlassAccuracy, MulticlassPrecision, MulticlassF1Score)
    ]
    counts = np.bincount(predictions.label, minlength=K)
    confusion = score(MulticlassConfusionMatrix)
    right = p[torch.arange(len(y)), y].clamp(min=1e-12)
    answer = predictions.fused.argmax(1)
    hit = answer == predictions.label
    return Metrics(
        clips=len(predictions),
        top1=top1(predictions.fused),
        top5=float(score(MulticlassAccuracy, average='micro', top_k=5)) if K > 5 else None,
        # A class without a clip has no recall, so no F1; answers of it cost the others theirs.
        macro_f1=float(np.mean([each[2][k] for k in np.unique(predictions.label)])),
        ece=float(score(MulticlassCalibrationError, n_bins=BINS)),
        nll=float(-right.log().mean()),
        streams={name: top1(z) for name, z in predictions.streams.items()},
        groups={
            str(group): float(hit[predictions.group == group].mean())
            for group in np.unique(predictions.group)
        },
        classes=[
            ClassScore(name, int(counts[k]), *(values[k] for values in each))
            for k, name in enumerate(names)
        ],
        confusion=confusion.tolist(),
        mistakes=mistakes(confusion.numpy(), names),
    )


def guessing(metrics: dict[str, Any]) -> str | None:
    """Return in words that a report's scores are no better than guessing, or None if they are.

    By the mean recall over the K classes that were tested, which is 1/K for whoever always gives
    one answer or draws lots, however unequal the classes are. Better is what lots reach in fewer
    than about one report of forty (two standard errors).

    Args:
        metrics: `Metrics` as a dict, as a report holds it.

    """
    tested = [item for item in metrics['classes'] if item['clips']]
    K = max(len(tested), 1)
    recall = sum(item['recall'] for item in tested) / K
    error = (sum((1 - 1 / K) / K / item['clips'] for item in tested)) ** 0.5 / K
    if recall > 1 / K + 2 * error:
        return None
    return (
        f'the report is no better than guessing: mean recall {recall:.2f} over {K} classes, '
        f'and lots give {1 / K:.2f}, give or take {2 * error:.2f}'
    )


def mistakes(confusion: np.ndarray, names: tuple[str, ...], most: int = 5) -> list[str]:
    """Return the most frequent mistakes as 'true -> answered (n)'."""
    counts = confusion.copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind='stable')[:most]
    pairs = [np.unravel_index(i, counts.shape) for i in order]
    return [f'{names[a]} -> {names[b]} ({counts[a, b]})' for a, b in pairs if counts[a, b]]


def subset_accuracy(predictions: Predictions, classes: set[str]) -> float | None:
    """Return top-1 over the clips of some classes, answered among all; None if there are none.

    The measure for hand-intensive subsets: the model is not told that the subset is meant.
    """
    here = np.isin(np.array(predictions.class_names)[predictions.label], sorted(classes))
    if not here.any():
        return None
    return float((predictions.fused[here].argmax(1) == predictions.label[here]).mean())


@dataclass(frozen=True)
class OpenSet:
    """How well the best probability tells known actions from unknown ones."""

    auroc: float
    fpr95: float  # share of unknown clips that pass where 95 % of known ones do


def open_set(known: np.ndarray, unknown: np.ndarray) -> OpenSet:
    """Score (N,) and (M,) best probabilities of known and of unknown clips."""
    score = torch.tensor(np.concatenate([known, unknown]))
    truth = torch.tensor([1] * len(known) + [0] * len(unknown))
    threshold = np.quantile(known, 0.05)
    return OpenSet(float(BinaryAUROC()(score, truth)), float((unknown >= threshold).mean()))


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
