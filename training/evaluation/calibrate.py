"""Calibration on windows that the network did not learn: temperature and rejection threshold."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import DataError
from .metrics import compute_metrics
from .predictions import Predictions


@dataclass(frozen=True)
class Calibration:
    """What the exported model carries."""

    temperature: float  # divides the fused logits
    threshold: float  # a smaller best probability is likely to be no known action
    kept: float  # share of right answers that reach the threshold
    ece_before: float
    ece_after: float  # each group by the temperature of the others, if there are several
    answers: int  # that it was fitted to


def fit_temperature(predictions: Predictions) -> float:
    """Return the temperature of the smallest negative log-likelihood (Guo et al., ICML 2017)."""
    z = torch.tensor(predictions.fused, dtype=torch.float64)
    y = torch.tensor(predictions.label)
    log_t = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=100, line_search_fn='strong_wolfe')

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        # Bounded: where every answer is right the best temperature would be 0.
        value = torch.nn.functional.cross_entropy(z / log_t.clamp(-3, 3).exp(), y)
        value.backward()
        return value

    start = float(loss())
    optimizer.step(loss)
    temperature = float(log_t.detach().clamp(-3, 3).exp())
    return temperature if np.isfinite(temperature) and float(loss()) <= start else 1.0


def calibrate(
    predictions: Predictions, keep: float = 0.95, idle: str | None = None
) -> Calibration | None:
    """Fit both numbers; None if no action was answered rightly, so that there is nothing to fit.

    Args:
        predictions: on windows as the robot sees them, of persons that the network has not seen.
        keep: share of the right answers about actions that must reach the threshold.
        idle: class that takes no part in the threshold.

    """
    if not len(predictions):
        raise DataError('no clips to calibrate on')
    temperature = fit_temperature(predictions)
    p = predictions.probabilities(temperature)
    right = p.argmax(1) == predictions.label
    if idle in predictions.class_names:
        right &= predictions.label != predictions.class_names.index(idle)
    best = np.sort(p.max(1)[right])
    if not len(best):
        return None
    threshold = float(best[int(np.floor((1 - keep) * len(best)))])
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        kept=float((best >= threshold).mean()),
        ece_before=compute_metrics(predictions).ece,
        ece_after=compute_metrics(cooled(predictions)).ece,
        answers=len(predictions),
    )


def cooled(predictions: Predictions) -> Predictions:
    """Divide each group's fused logits by the temperature that the other groups ask for."""
    groups = np.unique(predictions.group)
    if len(groups) == 1:
        return replace(predictions, fused=predictions.fused / fit_temperature(predictions))
    fused = predictions.fused.copy()
    for group in groups:
        here = predictions.group == group
        fused[here] /= fit_temperature(predictions.select(~here))
    return replace(predictions, fused=fused)
