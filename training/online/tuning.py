"""Decision parameters that suit a model, tried on recorded scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from bharnet_ros.recognition.decision import DecisionConfig

from .metrics import OnlineMetrics, compute_online_metrics
from .playback import PlayedStream

# What tuning strives for, in stitched streams and in recorded ones of short gestures.
F1_GOAL, FALSE_GOAL, DELAY_GOAL = 0.90, 1.0, 0.7  # at 50 % overlap; a minute; median seconds
OBJECTIVE = (
    'F1@50, divided by how many times over their goals (1 a minute, 0.7 s) the false '
    'activations and the median delay are, if they are'
)
STARTS_FALSE_GOAL, STARTS_DELAY_GOAL = 0.3, 0.45
STARTS_OBJECTIVE = (
    'F1 of starts, divided by the square root of how many times over their goals (0.3 a minute, '
    '0.45 s) the false activations and the median delay are, if they are'
)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
EXIT_SHARES = (0.5, 0.75, 1.0)  # of the threshold
IDLES = (0.01, 0.05, 1.0)  # 1: off
DURATIONS = (0.0, 0.15, 0.3, 0.5)
HOLDS = (0.15, 0.3, 0.6)
SMOOTHINGS = (0.0, 0.2, 0.4)


def candidates() -> Iterator[DecisionConfig]:
    """Yield the default and every setting of the grid."""
    yield DecisionConfig()
    for threshold, share, max_idle, duration, hold, smoothing in product(
        THRESHOLDS, EXIT_SHARES, IDLES, DURATIONS, HOLDS, SMOOTHINGS
    ):
        yield replace(
            DecisionConfig(),
            threshold=threshold,
            exit_threshold=round(threshold * share, 3),
            max_idle=max_idle,
            min_duration=duration,
            hold=hold,
            smoothing=smoothing,
        )


def objective(metrics: OnlineMetrics) -> float:
    """Return what tuning makes as large as it can, 0 (also for silence) to 1; see OBJECTIVE."""
    return metrics.f1[50] / (
        max(1.0, (metrics.false_per_minute or 0.0) / FALSE_GOAL)
        * max(1.0, (metrics.delay_p50 or 0.0) / DELAY_GOAL)
    )


def starts_objective(metrics: OnlineMetrics) -> float:
    """Return what is made as large as it can be in recorded streams; see STARTS_OBJECTIVE."""
    over = max(1.0, (metrics.false_per_minute or 0.0) / STARTS_FALSE_GOAL) * max(
        1.0, (metrics.delay_p50 or 0.0) / STARTS_DELAY_GOAL
    )
    return metrics.f1_starts / over**0.5


def start_candidates() -> Iterator[DecisionConfig]:
    """Yield the settings of the grid for recorded streams: what decides when an action starts."""
    for threshold, duration, smoothing in product(
        (0.4, *THRESHOLDS), DURATIONS[:2], SMOOTHINGS[:1] + (0.1,)
    ):
        yield replace(
            DecisionConfig(), threshold=threshold, min_duration=duration, smoothing=smoothing
        )


@dataclass(frozen=True)
class Chosen:
    """Settings chosen on people left out, of whom no one chose his own."""

    each: list[DecisionConfig]  # for each stream: what does best on the other groups, on average
    best: DecisionConfig  # what does best on all of them


def tune_across(
    streams: Sequence[PlayedStream],
    groups: Sequence[str],
    settings: Iterable[DecisionConfig] | None = None,
) -> Chosen:
    """Choose for the stream of each group by those of the other groups; there are two or more."""
    tried = list(start_candidates() if settings is None else settings)
    values = np.array(
        [
            [starts_objective(compute_online_metrics([stream.run(setting)])) for stream in streams]
            for setting in tried
        ]
    )
    names = np.array(groups)
    return Chosen(
        [tried[int(values[:, names != name].mean(1).argmax())] for name in names],
        tried[int(values.mean(1).argmax())],
    )


def tune(
    streams: Sequence[PlayedStream], settings: Iterable[DecisionConfig] | None = None
) -> tuple[DecisionConfig, OnlineMetrics]:
    """Return the setting that does best over all streams together; the first of equals."""
    scored = [
        (setting, compute_online_metrics([stream.run(setting) for stream in streams]))
        for setting in (candidates() if settings is None else settings)
    ]
    return max(scored, key=lambda pair: objective(pair[1]))
