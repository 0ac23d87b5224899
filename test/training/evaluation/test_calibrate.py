"""Temperature and threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.evaluation.calibrate import calibrate, fit_temperature
from bharnet_ros.training.evaluation.metrics import (
    compute_metrics,
)
from bharnet_ros.training.evaluation.predictions import (
    Predictions,
)
from support.predictions import of_probabilities, random_predictions


@given(st.integers(0, 10**6), st.floats(0.2, 6))
def test_a_temperature_never_hurts_and_changes_no_answer(seed, scale):
    made = random_predictions(seed, scale=scale)
    temperature = fit_temperature(made)
    assert temperature > 0
    before, after = compute_metrics(made), compute_metrics(made, temperature)
    assert after.nll <= before.nll + 1e-5 and after.top1 == before.top1


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_a_threshold_keeps_what_it_promises(seed, keep):
    made = random_predictions(seed)
    found = calibrate(made, keep)
    p = made.probabilities(found.temperature)
    right = p.argmax(1) == made.label
    assert (p.max(1)[right] >= found.threshold).mean() == pytest.approx(found.kept)
    assert found.kept >= keep - 1e-9


def test_an_overconfident_network_is_cooled():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=3000)
    z = np.zeros((3000, 3))
    said = np.where(rng.random(3000) < 0.7, label, (label + 1) % 3)
    z[np.arange(3000), said] = 8.0  # sure, and right seven times in ten
    made = Predictions(
        z.astype(np.float32), None, None, label, np.array(['g'] * 3000), ('a', 'b', 'c')
    )
    found = calibrate(made)
    assert found.temperature > 2 and found.ece_after < 0.03 < 0.25 < found.ece_before


def test_idle_takes_no_part_in_the_threshold():
    made = of_probabilities(
        [[0.34, 0.33, 0.33]] * 50 + [[0.05, 0.9, 0.05]] * 50, [0] * 50 + [1] * 50
    )
    with_idle, without = calibrate(made, idle=None), calibrate(made, idle='a')
    assert without.threshold > with_idle.threshold
    assert calibrate(made.select(np.arange(50)), idle='a') is None
