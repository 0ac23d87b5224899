import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.detectors.holistic import HolisticDetector, MonotonicTime
from bharnet_ros.detectors.tracking import BodyTracker, drop_duplicate_hand
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
