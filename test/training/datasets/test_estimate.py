"""Aspect from palms, rate from rhythm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.training.datasets.estimate import (
    ENOUGH_HANDS,
    RHYTHM,
    cycles_per_frame,
    estimate_aspect,
    estimate_rate,
    hand_path,
    palm_variation,
)


def rigid_hands(aspect, frames=600, seed=0, noise=0.002):
    """Return one hand in many poses, as a camera with this height over width sees it."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 0.05, (21, 3))
    turns = np.linalg.qr(rng.normal(size=(frames, 3, 3)))[0]
    points = shape @ turns + rng.normal(0, noise, (frames, 21, 3)) + [0.5, 0.4, 0]
    return points / [1.0, aspect, 1.0]


@pytest.mark.parametrize('aspect', [0.75, 4 / 3, 16 / 9])
def test_the_shape_of_the_picture_is_told_by_palms(aspect):
    hands = rigid_hands(aspect)
    assert estimate_aspect(hands) == pytest.approx(aspect)
    assert palm_variation(hands, aspect) < palm_variation(hands, aspect * 1.2)


def test_palms_that_do_not_tell_are_no_guess():
    assert estimate_aspect(rigid_hands(0.5625)) is None, 'what the method leans to is no answer'
    shallow = rigid_hands(0.75) * [1, 1, 0.3]  # as MediaPipe tells depth
    assert estimate_aspect(shallow) in (None, pytest.approx(0.75))
    assert estimate_aspect(rigid_hands(0.75, ENOUGH_HANDS - 1)) is None
    assert estimate_aspect(rigid_hands(0.65, noise=0.02)) is None  # between two usual ratios
    flat = np.tile(rigid_hands(0.75, 1), (ENOUGH_HANDS, 1, 1))
    assert estimate_aspect(flat) is None, 'a palm that never turns fits every picture'


@settings(max_examples=25)
@given(st.floats(0.11, 0.2), st.integers(0, 1000))
def test_a_rhythm_is_found_to_a_tenth(cycles, seed):
    rng = np.random.default_rng(seed)
    time = np.arange(40)
    path = np.stack([np.sin(2 * np.pi * cycles * time + 1), 0.02 * time], -1)
    found = cycles_per_frame(path + rng.normal(0, 0.05, path.shape))
    # A lag is a whole number of frames; a multiple of the period repeats as well.
    assert found is not None
    assert min(abs(found * k - cycles) for k in (1, 2, 3)) < 0.15 * cycles


@pytest.mark.parametrize('path', ['still', 'stroke', 'noise', 'short'])
def test_what_does_not_repeat_has_no_rhythm(path):
    rng, time = np.random.default_rng(0), np.linspace(0, 1, 30)
    values = {
        'still': np.zeros((30, 2)),
        'stroke': np.stack([time**2, time], -1) * 3,
        'noise': rng.normal(0, 0.03, (30, 2)),
        'short': np.ones((5, 2)),
    }[path]
    assert cycles_per_frame(values) is None


def test_a_rate_needs_enough_clips_with_a_rhythm():
    time = np.arange(30)
    waving = np.stack([np.sin(2 * np.pi * time / 8), np.zeros(30)], -1)
    still = np.zeros((30, 2))
    assert estimate_rate([waving] * 20) == pytest.approx(RHYTHM * 8, abs=0.1)
    assert estimate_rate([waving] * 4) is None
    assert estimate_rate([waving] * 10 + [still] * 400) is None


def test_the_hand_that_moves_is_followed_in_its_own_size():
    hand = rigid_hands(1.0, 1, noise=0)[0]
    moving = hand + np.linspace(0, 1, 30)[:, None, None] * [0.2, 0, 0]
    still = np.tile(hand, (30, 1, 1))
    near = hand_path(still, moving, 1.0)
    far = hand_path(still / 4, moving / 4, 1.0)
    assert np.ptp(near[:, 0]) > 1
    np.testing.assert_allclose(near, far, rtol=1e-3, atol=1e-6)
    moving[5:10] = 0  # lost for a moment
    np.testing.assert_allclose(
        hand_path(still, moving, 1.0)[:, 0].std(), near[:, 0].std(), rtol=0.1
    )
