"""demo: starts the real graph in processes of its own and shows the actions it publishes."""

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path

import rclpy
from rclpy.node import Node

from bharnet_ros.client import action_from_msg
from bharnet_ros.config import DemoOptions, SourceConfig
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import from_time, keypoints_from_msg
from bharnet_ros.outputs.page import PageError, RunPage
from bharnet_ros.system.signals import ended_by_signals
from bharnet_ros.tools.graph import ros, start_graph, stop
from bharnet_ros.tools.options import add_options, read_options
from bharnet_ros.types import SECOND, KeypointsError, Phase

SETTLED = 0.5  # seconds in which a publisher that we know has come to know us
HEADING = f'{"time":>9}  {"person":<7} {"action":<12} {"":<8} certain'


class Printer(Node):
    """Prints actions as they come, and keeps what a page is to show."""

    def __init__(self, live: bool, page: RunPage):
        super().__init__('bharnet_demo')
        self.live, self.frames, self.actions = live, 0, 0
        self._page = page
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
            print(HEADING, flush=True)
        with suppress(KeypointsError):  # recognition_node says what is wrong with them
            person = keypoints_from_msg(message)
            person.check()
            self._page.add_keypoints(person)

    def _on_action(self, message: ActionMsg) -> None:
        if message.phase == ActionMsg.ONGOING:
            return
        action = action_from_msg(message)
        self._page.add_action(action)
        self.actions += action.phase is Phase.STARTED
        since = (action.stamp - (self._first or action.stamp)) / SECOND
        latency = message.latency.sec + message.latency.nanosec / SECOND
        print(
            f'{since:7.2f} s  {action.person_id:<7} {action.label:<12} '
            f'{action.phase:<8} {action.confidence:5.0%}'
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
        sys.exit(demo(config))


def demo(config: DemoOptions) -> int | str:
    """Run the graph and print; return what to end with: a status, or what went wrong."""
    source = config.source or ('0' if Path('/dev/video0').exists() else '')
    told = (
        SourceConfig(source).display_name  # without passwords
        if source
        else 'the recording of class prototypes in models/demo_keypoints'
    )
    print(f'input: {told}; Ctrl-C ends the demo', flush=True)
    shown = RunPage(told)
    printer = Printer(bool(source), shown)
    processes = start_graph(source, config.model)
    print(f'waiting for {" and ".join(processes)} ...', flush=True)
    try:
        deadline = time.monotonic() + config.seconds
        while time.monotonic() < deadline and all(p.poll() is None for p in processes.values()):
            rclpy.spin_once(printer, timeout_sec=0.1)
        if time.monotonic() >= deadline:
            print(f'\nended after {config.seconds:g} s; --seconds takes more', flush=True)
        died = next(((name, s) for name, p in processes.items() if (s := p.poll())), None)
    finally:
        print('\nstopping the nodes ...', flush=True)
        complaints = stop(processes)
        end = time.monotonic() + 1.0  # the ENDED of an action that was going on
        while time.monotonic() < end:
            rclpy.spin_once(printer, timeout_sec=0.1)
        print(f'{printer.frames} frames of keypoints, {printer.actions} actions', flush=True)
        for complaint in complaints:
            print(f'error: {complaint}', file=sys.stderr, flush=True)
        printer.destroy_node()
        if config.page is not None and printer.frames:
            write_page(shown, config.page)
    if died is not None:  # of itself, and then it has said why
        name, status = died
        return status if status > 0 else f'error: {name} died with status {status}'
    if complaints:
        return 1
    if not source and not printer.actions:
        return 'error: no action was recognised in the recording'
    return 0 if printer.frames else 1


def write_page(page: RunPage, path: Path) -> None:
    """Write it and say where; that it cannot be written is told, and spoils nothing else."""
    try:
        page.write(path)
    except PageError as error:
        print(f'error: {error}', file=sys.stderr, flush=True)
    else:
        print(f'what was seen, for a browser: {path.absolute().as_uri()}', flush=True)
