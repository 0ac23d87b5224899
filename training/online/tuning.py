"""Decision parameters that suit a model, tried on recorded scores."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from bharnet_ros.recognition.decision import DecisionConfig

from .metrics import OnlineMetrics, compute_online_metrics
from .playback import PlayedStream

# What the issue asks for, and what tuning strives for.
F1_GOAL, FALSE_GOAL, DELAY_GOAL = 0.90, 1.0, 0.7  # at 50 % overlap; a minute; median seconds
OBJECTIVE = (
    'F1@50, divided by how many times over their goals (1 a minute, 0.7 s) the false '
    'activations and the median delay are, if they are'
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


def tune(
    streams: Sequence[PlayedStream], settings: Iterable[DecisionConfig] | None = None
) -> tuple[DecisionConfig, OnlineMetrics]:
    """Return the setting that does best over all streams together; the first of equals."""
    scored = [
        (setting, compute_online_metrics([stream.run(setting) for stream in streams]))
        for setting in (candidates() if settings is None else settings)
    ]
    return max(scored, key=lambda pair: objective(pair[1]))
