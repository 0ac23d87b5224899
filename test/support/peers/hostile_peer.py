"""Publishes keypoints that no camera gives, from a process of its own.

Usage: hostile_peer.py KIND COUNT RATE, with KIND one of those below; RATE is in messages a second.
Prints the rate that it reached.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import rclpy
from rclpy.duration import Duration

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import support`

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from support.keypoints import nobody, person


def flood(count: int) -> Iterator[KeypointsMsg]:
    """One person, a thousand frames a second by their stamps."""
    for i in range(count):
        yield keypoints_to_msg(person(1000 + i / 1000, hand=True, name='flood'))


def crowd(count: int) -> Iterator[KeypointsMsg]:
    """Every message is of somebody new, all within a few seconds."""
    for i in range(count):
        yield keypoints_to_msg(person(1000 + i / 1000, hand=True, name=f'p{i}' + 'x' * 200))


def passers_by(count: int) -> Iterator[KeypointsMsg]:
    """A new person every four messages, each there long enough to be judged."""
    for i in range(count):
        yield keypoints_to_msg(person(1000 + i * 0.4, hand=True, name=f'p{i // 4}'))


def garbage(count: int) -> Iterator[KeypointsMsg]:
    """Something else wrong every time."""
    rng = np.random.default_rng(5)
    good = [person(1000, hand=True), nobody(1000)]
    for i in range(count):
        message = keypoints_to_msg(replace(good[i % 2], stamp=int(rng.integers(2**61))))
        match rng.integers(8):
            case 0:
                message.layout = f'layout {i}\n' * 50
            case 1:
                message.person_id = 'x' * 100_000
            case 2:
                message.body = rng.choice([np.nan, np.inf, 3e38, 0.5], 132).tolist()
            case 3:
                message.body = [0.5] * int(rng.integers(1, 200))
            case 4:
                message.left_hand = [0.5] * 100_000
            case 5:
                message.image_width = 0
            case 6:
                message.header.stamp.nanosec = 2**32 - 1
            case _:
                message.person_id = 'red\x1b[31m\n'
        yield message


KINDS = {kind.__name__: kind for kind in (flood, crowd, passers_by, garbage)}


def main() -> None:
    kind, count, rate = KINDS[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3])
    rclpy.init()
    node = rclpy.create_node(f'hostile_{kind.__name__}')
    publisher = node.create_publisher(KeypointsMsg, 'keypoints', 100)
    while not publisher.get_subscription_count():
        time.sleep(0.05)
    began = time.monotonic()
    for i, message in enumerate(kind(count)):
        time.sleep(max(0.0, began + i / rate - time.monotonic()))
        publisher.publish(message)
    print(f'{count / (time.monotonic() - began):.0f} messages a second', flush=True)
    publisher.wait_for_all_acked(Duration(seconds=10))
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    main()
