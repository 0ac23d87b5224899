import numpy as np
import pytest

from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.recognition.crops import cut_crops, pick_frames
from bharnet_ros.types import CROPPED, CropShape, Keypoints

WIDTH, HEIGHT = 320, 240


def person(wrist=(0.5, 0.5), hand=None):
    """A body with shoulders 80 pixels apart, the right wrist where one likes."""
    body = np.full((33, 4), 0.5, np.float32)
    for name, place in {
        'left_shoulder': (0.625, 0.3),
        'right_shoulder': (0.375, 0.3),
        'right_elbow': wrist,
        'right_wrist': wrist,
    }.items():
        body[MEDIAPIPE_POSE.index(name), :2] = place
    return Keypoints(0, WIDTH, HEIGHT, 'p', body, right_hand=hand)


def spotted(x, y):
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    image[y - 6 : y + 6, x - 6 : x + 6] = (10, 20, 250)
    return image


def test_a_hand_is_in_the_middle_of_its_picture_also_where_only_the_wrist_is_known():
    shape = CropShape(rows=('right_hand', 'head'), size=32)
    image = spotted(96, 168)
    hand = np.tile(np.float32([0.3, 0.7, 0]), (21, 1))
    for one in (person((0.3, 0.7)), person((0.9, 0.1), hand)):
        crops = cut_crops(image, one, shape)
        assert crops.shape == (2, 32, 32, 3) and crops.dtype == np.uint8
        assert crops[0, 16, 16, 2] > 200 and crops[0, 2, 2, 2] == 60
        assert crops[1, 16, 16, 2] == 60  # the head shows no spot


def test_what_lies_outside_the_image_is_black_and_nothing_else_is():
    shape = CropShape(rows=('right_hand',), size=32)
    black_room = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half = cut_crops(black_room, person((0.0, 0.5)), shape)[0]
    assert not half[:, :15].any() and half[:, 17:].all()
    assert cut_crops(black_room, person((0.5, 0.5)), shape).all()
    assert not cut_crops(black_room, person((3.0, 0.5)), shape).any()


def test_nobody_gives_no_pictures():
    assert cut_crops(spotted(90, 90), Keypoints(0, WIDTH, HEIGHT), CropShape()) is None


@pytest.mark.parametrize('row', CROPPED)
def test_every_row_can_be_cut_alone(row):
    assert cut_crops(spotted(90, 90), person(), CropShape((row,), 8)).shape == (1, 8, 8, 3)


def test_frames_nearest_to_the_middles_of_equal_pieces_are_taken():
    times = np.arange(10.0)
    everywhere = np.ones(10, bool)
    np.testing.assert_array_equal(pick_frames(times, everywhere, 0, 9, 3, 9.0), [1, 4, 7])
    some = np.isin(times, [0, 5])
    np.testing.assert_array_equal(pick_frames(times, some, 0, 9, 3, 9.0), [0, 5, 5])
    np.testing.assert_array_equal(pick_frames(times, some, 0, 9, 3, 1.0), [-1, 5, -1])
    np.testing.assert_array_equal(pick_frames(times, ~everywhere, 0, 9, 3, 9.0), [-1, -1, -1])


@pytest.mark.parametrize(
    'wrong', [{'rows': ('knee',)}, {'rows': ()}, {'rows': ('head', 'head')}, {'size': 0}]
)
def test_impossible_shapes_are_refused(wrong):
    with pytest.raises(ValueError, match='crops'):
        CropShape(**wrong)
