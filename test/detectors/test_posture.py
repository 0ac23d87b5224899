"""Noticing a camera that hangs upside down, and nothing else."""

import numpy as np
import pytest

from bharnet_ros.detectors.posture import HeadstandWatch, stands_on_head
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.types import SECOND
from support.keypoints import nobody, person

JOINTS = MEDIAPIPE_HOLISTIC.body.joints


def body(nose, shoulders, hips, hips_seen=1.0):
    points = np.full((len(JOINTS), 4), 0.5, np.float32)
    for i, name in enumerate(JOINTS):
        for part, height in (('nose', nose), ('shoulder', shoulders), ('hip', hips)):
            if name.endswith(part):
                points[i, 1] = height
                points[i, 3] = hips_seen if part == 'hip' else 1
    return points


UPRIGHT, ON_HEAD = body(0.2, 0.4, 0.8), body(0.8, 0.6, 0.2)


def watch(bodies, rate=10):
    found = HeadstandWatch()
    for number, points in enumerate(bodies):
        stamp = number / rate
        found.push([nobody(stamp) if points is None else person(stamp, body=points)])
    return found.upside_down


@pytest.mark.parametrize(
    ('points', 'answer'),
    [
        (UPRIGHT, False),
        (ON_HEAD, True),
        (body(0.5, 0.4, 0.3), True),
        (body(0.5, 0.4, 0.6), False),  # bends down
        (body(0.8, 0.6, 0.9, hips_seen=0), True),  # a guess of the detector's does not count
        (body(0.2, 0.4, 0.1, hips_seen=0), False),
        (np.zeros((len(JOINTS), 4), np.float32), None),
    ],
)
def test_what_is_seen_decides(points, answer):
    assert stands_on_head(person(0, body=points)) is answer


def test_it_takes_a_while_and_most_of_the_images():
    assert watch([ON_HEAD] * 40)
    assert not watch([ON_HEAD] * 12)
    assert not watch([UPRIGHT] * 40)
    assert watch([*[ON_HEAD] * 9, UPRIGHT] * 4)
    assert not watch([ON_HEAD, UPRIGHT] * 20)
    assert watch([ON_HEAD, None] * 20)
    assert not watch([None] * 40)


def test_a_handstand_passes():
    assert not watch([ON_HEAD] * 40 + [UPRIGHT] * 20)


def test_a_clock_that_goes_back_begins_anew():
    found = HeadstandWatch()
    for stamp in (*range(100, 104), *range(4)):
        found.push([person(stamp, body=ON_HEAD)])
    assert not found.upside_down
    assert found._found[-1][0] == 3 * SECOND
