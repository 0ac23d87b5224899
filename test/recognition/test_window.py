"""The sliding window, and how it is sampled."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.recognition.window import SlidingWindow, resample
from bharnet_ros.types import PARTS, SECOND
from support.keypoints import person

LAYOUT = DETECTOR_LAYOUTS['mediapipe_holistic']
ALWAYS = 1e9  # a max_gap that never matters


@st.composite
def tracks(draw, least=1):
    """Increasing times and whether each sample is valid."""
    gaps = draw(st.lists(st.integers(1, 400), min_size=least - 1, max_size=25))
    times = np.cumsum([draw(st.integers(-1000, 1000)), *gaps]) / 64  # exact in binary
    valid = draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times)))
    return times, np.array(valid)


moments = st.lists(st.floats(-30, 200), min_size=1, max_size=30)


@given(tracks(), st.floats(0, 8))
def test_sample_times_are_kept_as_they_are(track, max_gap):
    times, valid = track
    values = np.random.default_rng(0).normal(size=(len(times), 3)).astype(np.float32)
    sampled, ok = resample(times, values, valid, times, max_gap)
    np.testing.assert_array_equal(ok, valid)
    np.testing.assert_array_equal(sampled[ok], values[ok])


@given(tracks(), st.integers(-50, 50), st.integers(-50, 50), st.integers(2, 40))
def test_straight_lines_are_reproduced(track, slope, offset, count):
    times, valid = track
    at = np.linspace(times[0], times[-1], count)
    line = slope * times + offset
    sampled, ok = resample(times, line, np.ones_like(valid), at, ALWAYS)
    assert ok.all()
    np.testing.assert_allclose(sampled, slope * at + offset, rtol=1e-6, atol=1e-3)


@given(tracks(), moments)
def test_nothing_is_invented(track, at):
    times, valid = track
    at = np.array(at)
    _, ok = resample(times, np.zeros(len(times)), valid, at, ALWAYS)
    for moment, present in zip(at, ok, strict=True):
        if moment < times[0] or moment > times[-1]:
            assert not present
            continue
        before = valid[times <= moment][-1]
        after = valid[times >= moment][0]
        assert present <= (before or after)
        assert present >= (before and after)
        if before != after:
            distance = [moment - times[times <= moment][-1], times[times >= moment][0] - moment]
            if distance[0] != distance[1]:
                assert present == (before if distance[0] < distance[1] else after)


@given(tracks(), moments)
def test_what_missing_samples_hold_never_shows(track, at):
    times, valid = track
    values = np.random.default_rng(1).normal(size=(len(times), 2, 3))
    at = np.array(at)
    clean, ok = resample(times, np.where(valid[:, None, None], values, 0), valid, at, ALWAYS)
    for rubbish in (np.nan, 1e30):
        dirty = np.where(valid[:, None, None], values, rubbish)
        sampled, still_ok = resample(times, dirty, valid, at, ALWAYS)
        np.testing.assert_array_equal(sampled, clean)
        np.testing.assert_array_equal(still_ok, ok)
    assert not clean[~ok].any()


@given(tracks(), moments)
def test_values_stay_between_their_valid_neighbours(track, at):
    times, valid = track
    values = np.random.default_rng(2).normal(size=len(times)).astype(np.float32)
    sampled, ok = resample(times, values, valid, np.array(at), ALWAYS)
    if ok.any():
        assert values[valid].min() - 1e-6 <= sampled[ok].min()
        assert sampled[ok].max() <= values[valid].max() + 1e-6


@given(tracks(least=2), st.integers(1, 400))
def test_long_gaps_are_missing_and_short_ones_are_not(track, gap):
    times, valid = track
    middle = (times[1:] + times[:-1]) / 2
    _, ok = resample(times, np.zeros(len(times)), np.ones_like(valid), middle, gap / 64)
    np.testing.assert_array_equal(ok, np.diff(times) <= gap / 64)


def test_halfway_between_two_samples_is_their_mean():
    sampled, ok = resample(
        np.array([0.0, 1.0, 3.0]),
        np.array([1.0, 2.0, 6.0]),
        np.array([True, True, True]),
        np.array([0.5, 2.5]),
        ALWAYS,
    )
    assert ok.all()
    np.testing.assert_array_equal(sampled, [1.5, 5.0])


def test_the_nearer_neighbour_decides_where_the_other_is_missing():
    sampled, ok = resample(
        np.array([0.0, 1.0]),
        np.array([5.0, np.nan]),
        np.array([True, False]),
        np.array([0.49, 0.51]),
        ALWAYS,
    )
    assert ok.tolist() == [True, False]
    assert sampled.tolist() == [5.0, 0.0]


def window(**changes):
    return SlidingWindow(LAYOUT, **({'seconds': 1.0, 'steps': 9, 'max_gap': 0.5} | changes))


def moving(stamp, x, **changes):
    """Return somebody whose body has the coordinate `x` everywhere."""
    return person(stamp, body=np.full((33, 4), x, np.float32), **changes)


def assert_same_clip(a, b):
    for name in (*PARTS, 'mask', 'aspect'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_an_empty_window_says_so():
    empty = window()
    assert empty.filled == 0 and empty.last_stamp is None
    with pytest.raises(ValueError):
        empty.clip()
    with pytest.raises(ValueError):
        _ = empty.first_stamp


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_only_newer_stamps_are_taken(stamps):
    win, newest = window(max_gap=ALWAYS), None
    for stamp in stamps:
        taken = win.push(person(stamp / 64))
        assert taken == (newest is None or stamp > newest)
        newest = stamp if taken else newest
        assert win.last_stamp == round(newest / 64 * SECOND)


def test_a_refused_frame_changes_nothing():
    win = window()
    for i in range(8):
        win.push(moving(i / 8, i))
    before = win.clip()
    assert not win.push(moving(7 / 8, 99.0, hand=True))
    assert not win.push(moving(0.5, 99.0, hand=True))
    assert_same_clip(win.clip(), before)


def test_a_long_gap_empties_the_window_and_a_short_one_does_not():
    win = window()
    for stamp in (0.0, 0.25, 0.75):
        win.push(person(stamp))
    assert win.first_stamp == 0 and win.filled == 0.75
    win.push(person(1.26))
    assert win.first_stamp == win.last_stamp == 1.26 * SECOND and win.filled == 0


def test_another_picture_shape_empties_the_window():
    win = window()
    win.push(person(0.0))
    win.push(person(0.1))
    win.push(replace(person(0.2), width=1280, height=960))
    assert win.filled == pytest.approx(0.2)
    win.push(replace(person(0.3), width=480, height=640))
    assert win.filled == 0
    assert win.clip().aspect == 640 / 480


@given(
    st.lists(st.tuples(st.integers(1, 300_000_000), st.booleans()), min_size=1, max_size=40),
    st.integers(0, 2**62),
)
def test_the_epoch_of_the_clock_does_not_matter(pushes, epoch):
    here, there = window(), window()
    stamp = 0
    for i, (gap, hand) in enumerate(pushes):
        stamp += gap
        frame = replace(moving(0, i / 7, hand=hand), stamp=stamp)
        here.push(frame)
        there.push(replace(frame, stamp=stamp + epoch))
    assert_same_clip(here.clip(), there.clip())
    assert here.filled == there.filled
    assert here.first_stamp + epoch == there.first_stamp


def test_filled_grows_to_one_with_the_time_spanned():
    win = window()
    shares = []
    for i in range(20):
        win.push(person(i / 8))
        shares.append(win.filled)
    assert shares == [min(1.0, i / 8) for i in range(20)]


def test_first_stamp_is_the_oldest_frame_inside_the_window():
    win = window()
    for i in range(20):
        win.push(person(i * 0.15))
    newest = 19 * 0.15
    inside = [i * 0.15 for i in range(20) if i * 0.15 >= newest - 1.0]
    assert win.first_stamp == round(inside[0] * SECOND)


def test_a_frame_as_old_as_the_window_is_inside():
    win = window()
    for i in range(20):
        win.push(person(i / 8))
    assert win.first_stamp == win.last_stamp - SECOND


def test_a_steady_motion_is_sampled_at_equal_steps():
    win = window()
    for i in range(40):
        win.push(moving(3 + i / 16, i / 16))
    clip = win.clip()
    assert clip.body.shape == (9, 33, 4) and clip.body.dtype == np.float32
    assert clip.left_hand.shape == clip.right_hand.shape == (9, 21, 3)
    np.testing.assert_allclose(clip.body[:, 5, 0], 39 / 16 + np.linspace(-1, 0, 9), atol=1e-6)
    assert clip.mask[:, 0].all()


def test_steps_before_the_first_frame_are_missing():
    win = window()
    for i in range(5):
        win.push(moving(i / 8, 1.0))
    clip = win.clip()
    assert clip.mask[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert not clip.body[:4].any()


def test_parts_that_were_not_found_are_missing_where_they_were_not_found():
    win = window()
    for i in range(9):
        win.push(person(i / 8, hand=i >= 6))
    mask = win.clip().mask
    assert mask[:, 0].all() and not mask[:, 1].any()
    assert mask[:, 2].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]


@given(
    st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 12),
)
def test_the_ring_gives_what_a_plain_list_would(pushes, capacity):
    """Beyond its capacity the window is as if only the newest `capacity` frames had come."""
    win = window(capacity=capacity)
    kept, stamp = [], 0
    for i, (gap, hand) in enumerate(pushes):
        stamp += gap
        frame = moving(stamp / 32, i, hand=hand)
        if kept and gap / 32 > 0.5:
            kept = []
        kept = [*kept, frame][-capacity:]
        win.push(frame)
    times = np.array([(frame.stamp - kept[-1].stamp) / SECOND for frame in kept])
    bodies = np.stack([frame.body for frame in kept])
    hands = np.array([frame.right_hand is not None for frame in kept])
    at = np.linspace(-1, 0, 9)
    body, ok = resample(times, bodies, np.ones(len(kept), bool), at, 0.5)
    _, hand_ok = resample(times, np.zeros(len(kept)), hands, at, 0.5)
    clip = win.clip()
    np.testing.assert_allclose(clip.body, body, atol=1e-5)
    np.testing.assert_array_equal(clip.mask[:, 0], ok)
    np.testing.assert_array_equal(clip.mask[:, 2], hand_ok)
    assert win.filled == pytest.approx(min(1, -times[0]))


def test_reset_forgets_everything():
    win = window()
    win.push(person(1.0, hand=True))
    win.reset()
    assert win.last_stamp is None and win.filled == 0
    assert win.push(person(0.5))
    assert not win.clip().mask[:, 2].any()


def test_a_clip_does_not_change_when_frames_follow():
    win = window(capacity=8)
    for i in range(8):
        win.push(moving(i / 8, i))
    clip = win.clip()
    kept = clip.body.copy()
    for i in range(8, 24):
        win.push(moving(i / 8, i))
    np.testing.assert_array_equal(clip.body, kept)
