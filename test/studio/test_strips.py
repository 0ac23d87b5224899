"""Takes as small pictures."""

import cv2
import numpy as np

from bharnet_ros.outputs.strips import SIDE
from bharnet_ros.studio.strips import PICTURES, strip
from bharnet_ros.teaching.takes import Take
from support.keypoints import nobody, person


def test_a_strip_shows_the_skeletons_of_a_take_and_stands_nobody_in_it():
    seen = [person(n / 10, hand=n > 5) for n in range(20)]
    frames = [*seen[:10], nobody(1.0), *seen[11:]]
    image = cv2.imdecode(np.frombuffer(strip(Take.of(frames)), np.uint8), 1)
    assert image.shape == (SIDE, SIDE * PICTURES, 3)
    first, *_, last = np.split(image, PICTURES, axis=1)
    assert first.any() and last.any() and (first != last).any()
