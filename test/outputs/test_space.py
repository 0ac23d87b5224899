"""Where people are before the camera."""

import math

import numpy as np
import pytest

from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.outputs.space import SHOULDERS, in_space
from support.keypoints import person

LEFT, RIGHT = (MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right'))
HIPS = [MEDIAPIPE_POSE.index(f'{side}_hip') for side in ('left', 'right')]
FIELD = 60.0
FOCAL = 0.5 / math.tan(math.radians(FIELD / 2))  # in widths of the image


def seen_by_a_camera(metric, place, aspect=0.75):
    """Return (33, 4) as a pinhole camera sees joints at `metric` + `place`, with little depth."""
    at = metric + place
    x = 0.5 + FOCAL * at[:, 0] / place[2]
    y = 0.5 + FOCAL * at[:, 1] / place[2] / aspect
    return np.column_stack([x, y, metric[:, 2] * FOCAL / place[2], np.ones(33)]).astype(np.float32)


@pytest.mark.parametrize('place', [(0, 0, 1.5), (0.8, -0.3, 4.0), (-1, 0.5, 2.5)])
def test_a_metric_body_is_put_where_the_camera_saw_it(place):
    metric = np.random.default_rng(0).normal(0, 0.3, (33, 3)).astype(np.float32)
    metric -= metric[[LEFT, RIGHT, *HIPS]].mean(0)  # what is where the camera saw it is the torso
    body = seen_by_a_camera(metric, np.array(place))
    one = person(0, body=body, body_world=metric, width=640, height=480)
    np.testing.assert_allclose(in_space(one, FIELD)['body'], metric + place, atol=1e-3)


def test_without_a_metric_body_the_shoulders_are_the_measure_and_hands_hang_on_the_wrists():
    metric = np.random.default_rng(1).normal(0, 0.3, (33, 3)).astype(np.float32)
    metric[[LEFT, RIGHT]] = [[SHOULDERS / 2, 0, 0], [-SHOULDERS / 2, 0, 0]]
    body = seen_by_a_camera(metric, np.array([0.2, 0.1, 2.0]))
    hand = np.random.default_rng(2).uniform(0.4, 0.5, (21, 3)).astype(np.float32)
    one = person(0, body=body, left_hand=hand, width=640, height=480)
    found = in_space(one, FIELD)
    assert found['body'][LEFT] - found['body'][RIGHT] == pytest.approx([SHOULDERS, 0, 0], abs=1e-3)
    wrist = found['body'][MEDIAPIPE_POSE.index('left_wrist')]
    np.testing.assert_allclose(found['left_hand'][0], wrist, atol=1e-6)
    assert 'right_hand' not in found


def test_nobody_is_nowhere_and_all_joints_in_one_place_are_no_error():
    assert in_space(person(0), FIELD) != {}
    flat = person(0, body=np.full((33, 4), 0.5, np.float32))
    assert np.isfinite(in_space(flat, FIELD)['body']).all()
