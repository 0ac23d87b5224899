"""Prints the stamp of each keypoints message and when it came, nanoseconds, from its own process.

The process of the tests would not do: it is large, and may stand still while it collects garbage
or another test of this worker uses the machine.
"""

import time

import rclpy
from rclpy.serialization import deserialize_message

from bharnet_ros.msg import Keypoints as KeypointsMsg


def note(data: bytes) -> None:
    came, stamp = time.time_ns(), deserialize_message(data, KeypointsMsg).header.stamp
    print(stamp.sec * 10**9 + stamp.nanosec, came, flush=True)


def main() -> None:
    rclpy.init()
    node = rclpy.create_node('age_peer')
    node.create_subscription(KeypointsMsg, 'keypoints', note, 1000, raw=True)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
