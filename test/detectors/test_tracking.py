"""Which body is whose, and which hand is the body's."""

import numpy as np
import pytest

from bharnet_ros.detectors.tracking import BodyTracker, drop_duplicate_hand
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.types import SECOND

WRIST = {side: MEDIAPIPE_POSE.index(f'{side}_wrist') for side in ('left', 'right')}
SHOULDER = {side: MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right')}


def hand(x, y, size=0.1):
    """Return a hand whose wrist is at (x, y), fingers up, in a square image."""
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (21, 3)).astype(np.float32) * size
    points[:, 1] -= size / 2
    points[0] = 0
    return points + np.array([x, y, 0], np.float32)


def body(left, right):
    points = np.zeros((33, 4), np.float32)
    points[WRIST['left'], :2], points[WRIST['right'], :2] = left, right
    points[SHOULDER['left'], :2], points[SHOULDER['right'], :2] = (0.6, 0.3), (0.4, 0.3)
    return points


APART = body(left=(0.8, 0.5), right=(0.2, 0.5))


def test_two_hands_apart_are_both_kept():
    left, right = hand(0.8, 0.5), hand(0.2, 0.5)
    kept = drop_duplicate_hand(APART, left, right, 1.0)
    assert kept[0] is left and kept[1] is right


@pytest.mark.parametrize(('x', 'stays'), [(0.8, 0), (0.7, 0), (0.2, 1), (0.3, 1)])
def test_two_hands_in_one_place_are_the_hand_of_the_nearer_wrist(x, stays):
    hands = hand(x, 0.5), hand(x + 0.01, 0.5)
    kept = drop_duplicate_hand(APART, *hands, 1.0)
    assert kept[stays] is hands[stays] and kept[1 - stays] is None


def test_hands_that_touch_are_two():
    crossed = body(left=(0.53, 0.5), right=(0.47, 0.5))
    kept = drop_duplicate_hand(crossed, hand(0.55, 0.5), hand(0.45, 0.5), 1.0)
    assert kept[0] is not None and kept[1] is not None


def test_distance_is_measured_on_the_pixels_not_on_the_shares():
    """0.06 of a picture that is twice as high as wide is more than half a hand."""
    left, right = hand(0.5, 0.5), hand(0.5, 0.56)
    for points in (left, right):
        points[:, 1] = points[0, 1] + (points[:, 1] - points[0, 1]) / 2
    assert None not in [
        part if part is None else 1 for part in drop_duplicate_hand(APART, left, right, 2.0)
    ]
    assert [part is None for part in drop_duplicate_hand(APART, left, right, 0.2)].count(True) == 1


def test_a_single_hand_is_left_alone():
    only = hand(0.2, 0.5)
    assert drop_duplicate_hand(APART, only, None, 1.0) == (only, None)
    assert drop_duplicate_hand(APART, None, only, 1.0) == (None, only)
    assert drop_duplicate_hand(APART, None, None, 1.0) == (None, None)


def track(steps):
    """Return the ids for a row of (seconds, x of the body)."""
    tracker = BodyTracker(lost_seconds=1.0)
    ids = []
    for seconds, x in steps:
        moved = APART.copy()
        moved[:, 0] += x
        ids.append(tracker(moved, 1.0, round(seconds * SECOND)))
    return ids


def test_a_body_that_moves_keeps_its_id():
    ids = track([(i / 30, i / 100) for i in range(60)])
    assert len(set(ids)) == 1 and ids[0]


def test_a_short_absence_keeps_the_id_and_a_long_one_does_not():
    first, back, late = track([(0, 0), (0.9, 0), (2.0, 0)])
    assert first == back != late


def test_a_body_elsewhere_at_the_next_image_is_somebody_else():
    first, near, far = track([(0, 0), (0.03, 0.3), (0.06, -0.3)])  # shoulders are 0.2 apart
    assert first == near != far


def test_a_body_elsewhere_after_a_while_may_have_walked():
    assert len(set(track([(0, 0), (0.5, 0.6)]))) == 1


def test_a_step_of_the_clock_gives_a_new_id():
    first, stepped = track([(100, 0), (0, 0)])
    assert first != stepped


def test_ids_of_different_bodies_differ():
    assert len(set(track([(i * 10, 0) for i in range(50)]))) == 50
