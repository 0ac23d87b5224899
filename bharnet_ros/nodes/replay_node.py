"""replay_node: plays the keypoints of a bag; `ros2 bag play` does it too where there is one."""

import threading
import time
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.task import Future
from rosgraph_msgs.msg import Clock

from bharnet_ros.bags.bag import read_raw
from bharnet_ros.bags.times import LONGEST_PAUSE, PlayTime, SourceClock
from bharnet_ros.config import ReplayConfig
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.acks import wait_for_all_acked
from bharnet_ros.nodes.messages import from_time, to_time
from bharnet_ros.nodes.parameters import ParamTable
from bharnet_ros.nodes.program import run_program
from bharnet_ros.types import SECOND


class ReplayNode(Node):
    """Publishes `keypoints`, and /clock, from a bag, with their own stamps, spaced as logged."""

    def __init__(self, done: Future | None = None, **kwargs):
        super().__init__('replay_node', **kwargs)
        self.config = ParamTable(self, ReplayConfig).read(ReplayConfig)
        self._done = done or Future()
        if not self.config.bag:
            raise ValueError("parameter 'bag' names no bag; give -p bag:=FOLDER")
        self._bag = Path(self.config.bag).expanduser()
        # A bad bag is an error now, not later in a thread.
        next(read_raw(self._bag, self.config.topic))
        self._publisher = self.create_publisher(KeypointsMsg, 'keypoints', QoSProfile(depth=100))
        self._ticks = self.create_publisher(Clock, '/clock', 10) if self.config.clock else None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._play, name='replay', daemon=True)
        self._thread.start()

    def _play(self) -> None:
        deadline = time.monotonic() + self.config.wait.wait_for_subscriber
        while (
            self._publisher.get_subscription_count() < self.config.wait.subscribers
            and time.monotonic() < deadline
            and not self._stopping.wait(0.05)
        ):
            pass
        try:
            self._play_once()
            while self.config.loop and not self._stopping.is_set():
                self._play_once()
        except Exception as error:  # a damaged message too; the process must not hang on it
            self.get_logger().error(str(error))
            self._done.set_result(1)
            return
        arrived = wait_for_all_acked(self._publisher, 10.0, self._stopping.is_set)
        if self._stopping.is_set():
            return
        if not arrived:
            self.get_logger().warning('the last keypoints may not have arrived everywhere')
        self.get_logger().info(f'end of {self._bag}')
        self._done.set_result(0)

    def _play_once(self) -> None:
        began, speed = time.monotonic(), self.config.speed
        play_time, clock = PlayTime(), SourceClock()
        for logged, data in read_raw(self._bag, self.config.topic):
            due, left_out = play_time(logged)
            if left_out:
                self.get_logger().warning(
                    f'a pause of {(left_out + LONGEST_PAUSE) / SECOND:.0f} s in the bag, or its '
                    f'clock was set: going on after {LONGEST_PAUSE / SECOND / speed:.0f} s'
                )
            ahead = due / SECOND / speed - (time.monotonic() - began)
            if self._stopping.wait(max(ahead, 0)):
                return
            if self._ticks is not None:
                message = deserialize_message(data, KeypointsMsg)
                now = clock(
                    f'{message.header.frame_id} {message.person_id}',
                    from_time(message.header.stamp),
                    due,
                )
                if now is not None:
                    self._ticks.publish(Clock(clock=to_time(now)))
            self._publisher.publish(data)

    def destroy_node(self) -> None:
        """Stop playing, then destroy the node."""
        self._stopping.set()
        self._thread.join()
        super().destroy_node()


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [ReplayNode(done)], {'replay_node': ReplayConfig})
