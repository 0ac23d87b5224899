"""demo: starts the real graph in processes of its own and prints the actions it publishes."""

import argparse
import sys
import time
from pathlib import Path

import rclpy
from rclpy.node import Node

from bharnet_ros.config import DemoOptions
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import from_time
from bharnet_ros.system.signals import ended_by_signals
from bharnet_ros.tools.graph import ros, start_graph, stop
from bharnet_ros.tools.options import add_options, read_options
from bharnet_ros.types import SECOND

SETTLED = 0.5  # seconds in which a publisher that we know has come to know us
PHASES = {ActionMsg.STARTED: 'started', ActionMsg.ONGOING: 'ongoing', ActionMsg.ENDED: 'ended'}


class Printer(Node):
    """Prints actions as they come."""

    def __init__(self, live: bool):
        super().__init__('bharnet_demo')
        self.live, self.frames, self.actions = live, 0, 0
        self._first: int | None = None
        self.create_subscription(ActionMsg, 'actions', self._on_action, 100)
        self._timer = self.create_timer(SETTLED, self._await_actions)
        self._seen = False  # recognition_node, at the last look

    def _await_actions(self) -> None:
        # The source waits until somebody listens to keypoints. That is said last, when whoever
        # publishes actions has had time to find us, or the first one would be lost.
        if self._seen:
            self.create_subscription(KeypointsMsg, 'keypoints', self._on_keypoints, 100)
            self._timer.cancel()
        self._seen = self.count_publishers('actions') > 0

    def _on_keypoints(self, message: KeypointsMsg) -> None:
        self.frames += 1
        if self._first is None:
            self._first = from_time(message.header.stamp)

    def _on_action(self, message: ActionMsg) -> None:
        if message.phase == ActionMsg.ONGOING:
            return
        self.actions += message.phase == ActionMsg.STARTED
        since = (from_time(message.header.stamp) - (self._first or 0)) / SECOND
        latency = message.latency.sec + message.latency.nanosec / SECOND
        print(
            f'{since:7.2f} s  {message.person_id:<7} {message.label:<12} '
            f'{PHASES[message.phase]:<8} {message.confidence:5.0%}'
            + (f'   {latency * 1e3:.0f} ms after the image' if self.live else ''),
            flush=True,
        )


def main() -> None:
    """Run until the input ends, status 0 if keypoints came through, or a signal comes."""
    parser = argparse.ArgumentParser(prog='demo', description=DemoOptions.__doc__)
    add_options(parser, DemoOptions)
    try:
        config = read_options(DemoOptions, parser.parse_args())
    except ValueError as error:
        sys.exit(f'error: {error}')
    with ended_by_signals(), ros():
        sys.exit(demo(config.source, config.model, config.seconds))


def demo(source: str, model: str, seconds: float) -> int | str:
    """Run the graph and print; return what to end with: a status, or what went wrong."""
    source = source or ('0' if Path('/dev/video0').exists() else '')
    print(
        f'input: {source or "the recording of class prototypes in models/demo_keypoints"}; '
        'Ctrl-C ends the demo\n',
        flush=True,
    )
    printer = Printer(live=bool(source))
    processes = start_graph(source, model)
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and all(p.poll() is None for p in processes.values()):
            rclpy.spin_once(printer, timeout_sec=0.1)
        died = next(((name, p.poll()) for name, p in processes.items() if p.poll()), None)
    finally:
        complaints = stop(processes)
        end = time.monotonic() + 1.0  # the ENDED of an action that was going on
        while time.monotonic() < end:
            rclpy.spin_once(printer, timeout_sec=0.1)
        print(f'\n{printer.frames} frames of keypoints, {printer.actions} actions', flush=True)
        for complaint in complaints:
            print(f'error: {complaint}', file=sys.stderr, flush=True)
        printer.destroy_node()
    if died is not None:  # of itself, and then it has said why
        name, status = died
        return status if status > 0 else f'error: {name} died with status {status}'
    if complaints:
        return 1
    if not source and not printer.actions:
        return 'error: no action was recognised in the recording'
    return 0 if printer.frames else 1
