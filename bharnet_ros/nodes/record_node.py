"""record_node: writes keypoints, scores and actions to a bag; never images."""

import shutil
import time
from collections import Counter
from functools import partial
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from bharnet_ros.bags.bag import BagError, BagWriter
from bharnet_ros.bags.storage import CHUNK_SECONDS
from bharnet_ros.bags.times import ForwardTime
from bharnet_ros.config import RecordConfig
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes.diagnostics import OK, WARN, Rate, Report, start_diagnostics
from bharnet_ros.nodes.parameters import ParamTable
from bharnet_ros.nodes.program import run_program

TYPES = {'keypoints': KeypointsMsg, 'scores': ScoresMsg, 'actions': ActionMsg}
LOW_DISK_MB = 200.0  # more than an hour of one person at 30 Hz


class RecordNode(Node):
    """Records until it is stopped or the disk refuses.

    The log time is the time of arrival, but never goes back: readers sort by it and play by it, so
    a clock that is set back, or simulated time in a loop, must neither mix up what came one after
    the other nor crowd it together. From there on it is ahead of the clock.
    """

    def __init__(self, done: Future | None = None, **kwargs):
        super().__init__('record_node', **kwargs)
        self.config = ParamTable(self, RecordConfig).read(RecordConfig)
        self._done = done or Future()
        if not self.config.bag:
            raise ValueError("parameter 'bag' names no folder; give -p bag:=FOLDER")
        self._writer = BagWriter(Path(self.config.bag).expanduser())
        self._counts: Counter[str] = Counter()
        self._rate, self._log_time = Rate(), ForwardTime()
        for topic in self.config.topics:
            # Raw: the bytes go to disk as they came, no message is built.
            self.create_subscription(
                TYPES[topic],
                topic,
                partial(self._write, topic),
                QoSProfile(depth=1000),
                raw=True,
            )
        self._names = ', '.join(map(self.resolve_topic_name, self.config.topics))
        self.get_logger().info(f'recording {self._names} to {self._writer.path}')
        self.create_timer(CHUNK_SECONDS, self._sync, clock=Clock(clock_type=ClockType.STEADY_TIME))
        start_diagnostics(self, self._report)

    def _write(self, topic: str, data: bytes) -> None:
        stamp = self._log_time(self.get_clock().now().nanoseconds, time.monotonic_ns())
        try:
            self._writer.write_raw(
                self.resolve_topic_name(topic),
                f'bharnet_ros/msg/{TYPES[topic].__name__}',
                stamp,
                data,
            )
            self._counts[topic] += 1
        except BagError as error:
            self._end(error)

    def _sync(self) -> None:
        """Leave nothing in memory when messages cease to come."""
        try:
            self._writer.sync()
        except BagError as error:
            self._end(error)

    def _end(self, error: BagError) -> None:
        if not self._done.done():
            self.get_logger().error(str(error))
            self._done.set_result(1)

    def _report(self) -> Report:
        values = {
            'bag': self._writer.path,
            'topics': self._names,
            'messages': self._writer.count,
            'messages_on_disk': self._writer.safe,
            'rate_hz': self._rate(self._writer.count),
        }
        values |= {f'messages_{topic}': self._counts[topic] for topic in self.config.topics}
        try:
            free = shutil.disk_usage(self._writer.path).free / 1e6
        except OSError as error:
            return Report(
                WARN,
                f'the folder of the bag cannot be seen: {error.strerror}; is the '
                'disk still there?',
                values,
            )
        values['free_disk_mb'] = free
        if free < LOW_DISK_MB:
            return Report(
                WARN,
                f'only {free:.0f} MB of disk are free: make room, or stop recording in time',
                values,
            )
        if not self._writer.count:
            return Report(
                WARN,
                f'nothing to record yet: nobody publishes {self._names}; are '
                'camera_node and recognition_node active?',
                values,
            )
        return Report(OK, f'recording {self._names} to {self._writer.path}', values)

    def destroy_node(self) -> None:
        """Complete the bag, then destroy the node; BagError if that is not possible."""
        try:
            self._writer.close()
            self.get_logger().info(f'{self._writer.count} messages in {self._writer.path}')
        finally:
            super().destroy_node()


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [RecordNode(done)], {'record_node': RecordConfig})
