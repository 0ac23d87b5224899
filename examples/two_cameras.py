"""Two cameras, one answer: scores of both are paired by the nearest stamp and averaged.

Start camera and recognition twice, in the namespaces `left` and `right`, with one model. Ids of
persons are those of each camera, so this is for one person in view of both.
"""

from collections import deque
from functools import partial

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time

from bharnet_ros.client import spin
from bharnet_ros.msg import LabelMap, Scores

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SIDES = ('left', 'right')
SLOP, THRESHOLD = 0.07, 0.8  # seconds between the two; least mean probability


class TwoCameras(Node):
    def __init__(self):
        super().__init__('two_cameras')
        self._names, self._told = [], ''
        self._waiting = {side: deque(maxlen=10) for side in SIDES}  # for one of the other side
        self.create_subscription(LabelMap, 'left/labels', self.learn, LATCHED)
        for side, other in (SIDES, SIDES[::-1]):
            self.create_subscription(Scores, f'{side}/scores', partial(self.hear, side, other), 10)

    def learn(self, model: LabelMap) -> None:
        nothing = (model.idle_class_id, model.unknown_class_id)
        self._names = ['' if i in nothing else name for i, name in enumerate(model.labels)]

    def hear(self, side: str, other: str, scores: Scores) -> None:
        nearest = min(self._waiting[other], key=partial(seconds_apart, scores), default=None)
        if nearest is None or seconds_apart(scores, nearest) > SLOP or not self._names:
            self._waiting[side].append(scores)
            return
        self._waiting[other].remove(nearest)
        both = (np.array(scores.probabilities) + np.array(nearest.probabilities)) / 2
        label = self._names[both.argmax()] if both.max() >= THRESHOLD else ''
        if label and label != self._told:
            self.get_logger().info(f'both see {label} ({both.max():.0%})')
        self._told = label


def seconds_apart(one: Scores, two: Scores) -> float:
    first, second = Time.from_msg(one.header.stamp), Time.from_msg(two.header.stamp)
    return abs((first - second).nanoseconds) / 1e9


if __name__ == '__main__':
    rclpy.init()
    spin(TwoCameras())
