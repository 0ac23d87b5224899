import numpy as np

from bharnet_ros.recognition.crop_desk import KEPT, CropDesk
from bharnet_ros.types import CropShape, Keypoints

IMAGE = np.full((48, 64, 3), 70, np.uint8)


def person(stamp, name='a'):
    return Keypoints(stamp, 64, 48, name, np.full((33, 4), 0.5, np.float32))


def test_keypoints_find_their_own_pictures_once():
    desk = CropDesk()
    desk.wanted = CropShape(size=8)
    desk.put(IMAGE, [person(1), person(1, 'b'), Keypoints(1, 64, 48)])
    desk.put(IMAGE // 2, [person(2)])
    assert desk.collect(person(2)).crops.max() == 35
    assert desk.collect(person(1, 'b')).crops.max() == 70
    assert desk.collect(person(1, 'b')).crops is None
    assert desk.collect(person(3)).crops is None


def test_nothing_is_cut_unasked_and_what_nobody_collects_does_not_pile_up():
    desk = CropDesk()
    desk.put(IMAGE, [person(1)])
    assert desk.collect(person(1)).crops is None
    desk.wanted = CropShape(size=8)
    for stamp in range(KEPT + 1):
        desk.put(IMAGE, [person(stamp)])
    assert desk.collect(person(0)).crops is None
    assert desk.collect(person(1)).crops is not None
