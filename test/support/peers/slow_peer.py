"""Subscribes to keypoints and annotated images and takes half a second for each message."""

import time

import rclpy
from sensor_msgs.msg import Image

from bharnet_ros.msg import Keypoints as KeypointsMsg


def dawdle(_: object) -> None:
    time.sleep(0.5)


def main() -> None:
    rclpy.init()
    node = rclpy.create_node('slow_peer')
    node.create_subscription(KeypointsMsg, 'keypoints', dawdle, 10)
    node.create_subscription(Image, 'annotated', dawdle, 1)
    rclpy.spin(node)


if __name__ == '__main__':
    main()
