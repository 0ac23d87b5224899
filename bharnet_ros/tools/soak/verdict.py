"""Whether a process that runs for long stays as small as it was: samples in, verdict out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.system.procfs import Usage

MB_PER_HOUR = 10.0  # of a fitted line; more is a leak
NOISE_MB = 2.0  # over the measured time; less is no leak, however short that time
WARM_UP = 1 / 3  # share of the run, at most WARM_UP_SECONDS: caches fill, allocators settle
WARM_UP_SECONDS = 300.0
FEWEST = 10  # samples after the warm-up


@dataclass(frozen=True)
class UsageSample:
    """What a process used at a time, seconds since the start of the run."""

    seconds: float
    usage: Usage


@dataclass(frozen=True)
class Verdict:
    """How a process did after the warm-up."""

    rss_mb: tuple[float, float]  # first and last
    rss_mb_per_hour: float  # slope of a line fitted to all samples
    growth_mb: float  # of that line, over the measured time
    limit_mb: float  # for this growth
    threads: tuple[int, int]  # first and last
    handles: tuple[int, int]
    cpu_percent: float  # of one core
    faults: tuple[str, ...]  # one plain line each; empty: flat


def warm_up(seconds: float) -> float:
    """Return how much of a run of this length is left out, seconds."""
    return min(WARM_UP * seconds, WARM_UP_SECONDS)


def verdict_of(samples: Sequence[UsageSample], seconds: float) -> Verdict:
    """Return how a process did by its samples of a run of this length.

    ValueError if fewer than FEWEST of them lie after the warm-up.
    """
    kept = [sample for sample in samples if sample.seconds >= warm_up(seconds)]
    if len(kept) < FEWEST:
        raise ValueError(f'{len(kept)} samples after the warm-up are too few to judge')
    first, last = kept[0], kept[-1]
    times = np.array([sample.seconds for sample in kept])
    slope = float(np.polyfit(times, [sample.usage.rss_mb for sample in kept], 1)[0])
    measured = float(times[-1] - times[0])
    growth, limit = slope * measured, max(MB_PER_HOUR * measured / 3600, NOISE_MB)
    faults = []
    if growth > limit:
        faults.append(
            f'memory grows by {slope * 3600:.1f} MB an hour ({growth:.1f} MB in '
            f'{measured / 60:.1f} minutes, at most {limit:.1f})'
        )
    quarter = max(1, len(kept) // 4)
    for name in ('threads', 'handles'):
        counts = [getattr(sample.usage, name) for sample in kept]
        # They come and go; at the end always more than ever at the beginning is a leak.
        if min(counts[-quarter:]) > max(counts[:quarter]):
            faults.append(f'{name} grow from {counts[0]} to {counts[-1]}')
    return Verdict(
        (first.usage.rss_mb, last.usage.rss_mb),
        slope * 3600,
        growth,
        limit,
        (first.usage.threads, last.usage.threads),
        (first.usage.handles, last.usage.handles),
        100 * (last.usage.cpu_seconds - first.usage.cpu_seconds) / measured,
        tuple(faults),
    )
