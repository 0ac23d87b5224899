"""Publishes images of nobody at a fixed rate, as a camera driver does, from its own process.

Usage: image_peer.py RATE SECONDS WIDTH HEIGHT. Sends single images until keypoints come back:
before that the node need not know of this publisher, and would not count what it misses. Then it
says "ready", waits for SIGUSR1, sends, and prints how many.
"""

import signal
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import image_to_msg, to_time
from bharnet_ros.types import Frame


def main() -> None:
    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    width, height = int(sys.argv[3]), int(sys.argv[4])
    go, answers = threading.Event(), []
    signal.signal(signal.SIGUSR1, lambda *_: go.set())
    rclpy.init()
    node = rclpy.create_node('image_peer')
    publisher = node.create_publisher(Image, 'image', QoSProfile(depth=1))  # reliable
    subscription = node.create_subscription(KeypointsMsg, 'keypoints', answers.append, 10)
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    message = image_to_msg(Frame(noise, 0, 'camera'))

    def send() -> None:
        message.header.stamp = to_time(time.time_ns())
        publisher.publish(message)

    while not answers:
        send()
        rclpy.spin_once(node, timeout_sec=0.5)
    node.destroy_subscription(subscription)
    print('ready', flush=True)
    go.wait()
    count, began = round(rate * seconds), time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        send()
    print(count, flush=True)
    publisher.wait_for_all_acked(Duration(seconds=5))
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
