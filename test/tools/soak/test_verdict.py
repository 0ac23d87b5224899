"""A verdict that leaks cannot pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.system.procfs import Usage
from bharnet_ros.tools.soak.verdict import MB_PER_HOUR, NOISE_MB, UsageSample, verdict_of, warm_up


def samples(seconds, grow=lambda t: 0.0, threads=lambda t: 9, handles=lambda t: 20):
    """One sample a second of a process of 100 MB that uses a fifth of a core."""
    return [
        UsageSample(float(t), Usage(100 + grow(t), threads(t), handles(t), 0.2 * t))
        for t in range(seconds + 1)
    ]


def test_a_process_that_stays_as_it_is_is_flat():
    verdict = verdict_of(samples(1800), 1800)
    assert verdict.faults == ()
    assert verdict.growth_mb == pytest.approx(0) and verdict.cpu_percent == pytest.approx(20)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.8))
def test_a_slow_leak_under_noise_is_found_in_half_an_hour(seed, noise):
    rng = np.random.default_rng(seed)
    leak = 2 * MB_PER_HOUR / 3600
    assert verdict_of(samples(1800, lambda t: leak * t + rng.normal(0, noise)), 1800).faults
    assert not verdict_of(samples(1800, lambda t: rng.normal(0, noise)), 1800).faults


def test_what_grows_during_the_warm_up_is_no_leak():
    assert not verdict_of(samples(60, lambda t: min(t, warm_up(60)) * 3), 60).faults
    assert not verdict_of(samples(1800, lambda t: min(t, 300) * 3), 1800).faults
    assert verdict_of(samples(1800, lambda t: min(t, 900) * 3), 1800).faults


def test_a_minute_allows_some_noise_but_no_leak_of_frames():
    assert not verdict_of(samples(60, lambda t: NOISE_MB * 0.9 * t / 40), 60).faults
    assert verdict_of(samples(60, lambda t: 0.03 * 30 * t), 60).faults  # 30 kB of each frame kept


@pytest.mark.parametrize('name', ['threads', 'handles'])
def test_threads_and_handles_may_come_and_go_but_not_pile_up(name):
    assert not verdict_of(samples(60, **{name: lambda t: 9 + t % 3}), 60).faults
    (fault,) = verdict_of(samples(60, **{name: lambda t: 9 + t // 10}), 60).faults
    assert fault == f'{name} grow from 11 to 15'


def test_too_few_samples_are_not_judged():
    with pytest.raises(ValueError, match='too few'):
        verdict_of(samples(60)[:25], 60)
