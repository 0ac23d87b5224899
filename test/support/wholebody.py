"""What an estimator of COCO-WholeBody would say of somebody whose keypoints we have."""

import numpy as np

from bharnet_ros.detectors.wholebody import JOINTS, ROWS
from bharnet_ros.types import Keypoints


def wholebody_of(person: Keypoints) -> np.ndarray:
    """Return (133, 3) joints, x and y in pixels and score; those we lack have score 0."""
    joints = np.zeros((JOINTS, 3), np.float32)
    joints[list(ROWS)] = person.body[:, [0, 1, 3]]
    for start, hand in ((91, person.left_hand), (112, person.right_hand)):
        if hand is not None:
            joints[start : start + len(hand)] = np.column_stack([hand[:, :2], np.ones(len(hand))])
    return joints * np.array([person.width, person.height, 1], np.float32)
