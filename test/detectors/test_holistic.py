"""MediaPipe on real images."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.detectors.times import MonotonicTime
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.types import SECOND, Frame

WRIST = {side: MEDIAPIPE_POSE.index(f'{side}_wrist') for side in ('left', 'right')}
SHOULDER = {side: MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right')}


def detect(*images):
    """Return what a fresh detector finds in a row of images at 30 Hz."""
    detector = HolisticDetector()
    try:
        return [
            detector.detect(Frame(image, i * SECOND // 30, 'camera'))
            for i, image in enumerate(images)
        ]
    finally:
        detector.close()


@pytest.fixture(
    scope='module', params=['mpsamples_business-person.png', 'mpsamples_pose_test_image.jpg']
)
def photo(request, data_dir):
    """A photograph of one person who faces the camera and shows both hands."""
    return cv2.imread(str(data_dir / 'images' / request.param))


@pytest.fixture(scope='module')
def found(photo):
    return detect(photo)[0]


def test_one_person_is_found_with_both_hands(photo, found):
    assert len(found) == 1
    person = found[0]
    person.check()
    assert person.person_id
    assert (person.width, person.height) == photo.shape[1::-1]
    assert person.frame_id == 'camera' and person.stamp == 0
    assert person.body.shape == (33, 4) and person.body_world.shape == (33, 3)
    assert person.left_hand.shape == person.right_hand.shape == (21, 3)


def test_coordinates_are_shares_of_the_image(found):
    for points in (found[0].left_hand, found[0].right_hand, found[0].body[:17]):
        assert points[:, :2].min() > -0.1 and points[:, :2].max() < 1.1
    assert ((found[0].body[:, 3] >= 0) & (found[0].body[:, 3] <= 1)).all()


def test_left_is_the_persons_own_left(found):
    """Somebody who faces an unmirrored camera has the left side on the right of the image."""
    person = found[0]
    assert person.body[SHOULDER['left'], 0] > person.body[SHOULDER['right'], 0]


def test_each_hand_is_at_the_wrist_of_its_own_side(found):
    person = found[0]
    scale = (1, person.aspect)
    for own, other in (('left', 'right'), ('right', 'left')):
        hand = getattr(person, f'{own}_hand')
        near, far = (
            np.linalg.norm((person.body[WRIST[side], :2] - hand[0, :2]) * scale)
            for side in (own, other)
        )
        assert near < 0.1 and near < far / 2


def test_a_mirrored_image_swaps_the_hands(photo, found):
    mirrored = detect(cv2.flip(photo, 1))[0][0]
    for own, other in (('left_hand', 'right_hand'), ('right_hand', 'left_hand')):
        expected = getattr(found[0], other)[:, :2] * (-1, 1) + (1, 0)
        np.testing.assert_allclose(getattr(mirrored, own)[:, :2], expected, atol=0.06)


def test_nobody_gives_one_entry_without_a_name():
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    for image in (np.zeros((240, 320, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8), noise):
        people = detect(image)[0]
        assert len(people) == 1
        assert people[0].person_id == ''
        for part in ('body', 'body_world', 'left_hand', 'right_hand'):
            assert getattr(people[0], part) is None
        people[0].check()


def test_somebody_who_is_gone_is_not_kept(data_dir):
    photo = cv2.imread(str(data_dir / 'images' / 'mpsamples_pose_test_image.jpg'))
    people = detect(photo, photo, *[np.zeros_like(photo)] * 3)
    assert [bool(entry[0].person_id) for entry in people] == [True, True, False, False, False]


def test_a_person_keeps_the_name_through_a_video(data_dir):
    with VideoReader(SourceConfig(str(data_dir / 'videos' / 'slp_pose_test_video.mp4'))) as video:
        images = [video.read().image for _ in range(20)]
    names = {entry[0].person_id for entry in detect(*images)}
    assert len(names) == 1 and '' not in names


def test_the_size_of_the_images_may_change(data_dir):
    photo = cv2.imread(str(data_dir / 'images' / 'mpsamples_pose_test_image.jpg'))
    small = cv2.resize(photo, None, fx=0.5, fy=0.5)
    one, two = (entry[0] for entry in detect(photo, small))
    assert (two.width, two.height) == small.shape[1::-1]
    np.testing.assert_allclose(two.body[:17, :2], one.body[:17, :2], atol=0.05)


def test_stamps_that_repeat_or_go_back_do_not_stop_the_detector(data_dir):
    photo = cv2.imread(str(data_dir / 'images' / 'mpsamples_pose_test_image.jpg'))
    detector = HolisticDetector()
    for stamp in (5 * SECOND, 5 * SECOND, SECOND, 0, 9000 * SECOND):
        person = detector.detect(Frame(photo, stamp))[0]
        assert person.body is not None and person.stamp == stamp
    detector.close()


def test_models_that_need_a_download_are_refused():
    for complexity in (0, 2):
        with pytest.raises(ValueError, match='download'):
            HolisticDetector(complexity=complexity)


@given(st.lists(st.integers(-(2**62), 2**62), max_size=50))
def test_graph_time_increases_whatever_the_stamps(stamps):
    clock = MonotonicTime()
    times = [clock(stamp) for stamp in stamps]
    assert all(a < b for a, b in zip(times, times[1:], strict=False))
    assert all(isinstance(time, int) and time > 0 for time in times)


@given(st.integers(0, 2**62), st.lists(st.integers(1000, SECOND), min_size=1, max_size=50))
def test_graph_time_keeps_true_intervals(start, gaps):
    clock = MonotonicTime()
    last, stamp = clock(start), start
    for gap in gaps:
        stamp += gap
        now = clock(stamp)
        assert now - last == gap // 1000
        last = now


@pytest.mark.parametrize('jump', [0, -1, -5 * SECOND, SECOND + 1, 10**6 * SECOND, 999])
def test_a_jump_of_the_stamps_counts_as_one_frame(jump):
    clock = MonotonicTime()
    last = clock(7 * SECOND)
    assert clock(7 * SECOND + jump) - last == MonotonicTime.NOMINAL
