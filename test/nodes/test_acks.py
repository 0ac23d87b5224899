"""Waiting for acknowledgements: those of a subscriber that stands still, beside other threads."""

import signal
import sys
import threading
import time

import pytest

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.acks import wait_for_all_acked
from support.ros import graph

pytestmark = pytest.mark.graph

LISTENER = """
import rclpy
from bharnet_ros.msg import Keypoints
rclpy.init()
node = rclpy.create_node('listener')
node.create_subscription(Keypoints, 'keypoints', lambda message: None, 10)
rclpy.spin(node)
"""


@pytest.fixture
def publisher():
    """A publisher with something to deliver, and the process that listens to it."""
    with graph() as ros:
        listener = ros.run([sys.executable, '-c', LISTENER])
        publisher = ros.node.create_publisher(KeypointsMsg, 'keypoints', 10)
        ros.wait(publisher.get_subscription_count, 'the listener')
        yield publisher, listener
        listener.signal(signal.SIGCONT)
        listener.may_end = True


def test_what_a_subscriber_takes_is_acknowledged(publisher):
    publisher, _ = publisher
    publisher.publish(KeypointsMsg())
    assert wait_for_all_acked(publisher, 20.0)


def test_other_threads_go_on_while_a_subscriber_stands_still(publisher):
    publisher, listener = publisher
    listener.signal(signal.SIGSTOP)
    publisher.publish(KeypointsMsg())
    waited, ticks = threading.Event(), []

    def tick() -> None:
        while not waited.wait(0.01):
            ticks.append(time.monotonic())

    threading.Thread(target=tick, daemon=True).start()
    assert not wait_for_all_acked(publisher, 1.0)
    waited.set()
    assert len(ticks) > 10  # one or two where the lock is held


def test_the_wait_can_be_given_up(publisher):
    publisher, listener = publisher
    listener.signal(signal.SIGSTOP)
    publisher.publish(KeypointsMsg())
    began = time.monotonic()
    assert not wait_for_all_acked(publisher, 1000.0, lambda: time.monotonic() > began + 0.1)
