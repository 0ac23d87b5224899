"""Running nodes as a process: start, spin until done or told to stop, shut down in order."""

import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.logging import LoggingSeverity, set_logger_level
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from bharnet_ros.errors import BharnetError
from bharnet_ros.nodes.help import asks_for_help, print_help
from bharnet_ros.system.places import settle_ros_logs
from bharnet_ros.system.signals import at_signals

# What rcl says of arguments that are no YAML, with places in its own source.
UNREADABLE = re.compile(
    r"Couldn't parse [\w ]+: '(?P<what>.*)'\. Error: (?P<why>.*?)(?=, at /|$)", re.S
)


class ArgumentsError(BharnetError):
    """ROS arguments that cannot be read; the text says which."""


def run(make_nodes: Callable[[Future], Sequence[Node]], args: list[str] | None = None) -> int:
    """Create nodes, spin, shut down; return the exit status of the process.

    `make_nodes` gets a future; a node sets its result to an exit status when its work is done.
    SIGINT, SIGTERM and SIGHUP end the spin too, but leave ROS up until the nodes are deactivated,
    so that their last messages go out. Lifecycle nodes whose parameter `autostart` is true are
    configured and activated first; if that fails the process ends with status 1.
    """
    init(args)
    done = Future()

    def stop(*_: object) -> None:
        if not done.done():
            done.set_result(0)

    at_signals(stop)
    executor = SingleThreadedExecutor()
    nodes: Sequence[Node] = []
    status = 1
    try:
        nodes = make_nodes(done)
        for node in nodes:
            executor.add_node(node)
        if all(start(node) for node in nodes):
            # A short timeout, because a signal does not wake the executor.
            while not done.done():
                try:
                    executor.spin_once(timeout_sec=0.2)
                except Exception:  # one bad callback must not end a robot's node
                    nodes[0].get_logger().error(traceback.format_exc())
            status = done.result()
    finally:
        for node in nodes:
            if isinstance(node, LifecycleNode):
                with suppress(RuntimeError):  # somebody has shut it down already
                    node.trigger_shutdown()
        executor.shutdown()
        try:
            _destroy(nodes)
        finally:
            rclpy.try_shutdown()
    return status


def init(args: list[str] | None = None) -> None:
    """Start ROS; ArgumentsError in one line if it cannot read its arguments."""
    if (folder := settle_ros_logs()) is not None:
        print(f'no home to write to: logs of ROS are in {folder}', file=sys.stderr, flush=True)
    set_logger_level('rcl', LoggingSeverity.FATAL)  # it would print a line beside ours
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        found = UNREADABLE.search(str(error))
        if found is None:
            raise
        advice = ''
        if 'same type' in found['why']:
            advice = "; the entries of a list must be of one type: quote texts, ['hello', '1']"
        elif found['what'].startswith('-p'):
            advice = '; quote text that is no plain word: -p source:="\'0\'"'
        raise ArgumentsError(f'cannot read {found["what"]}: {found["why"]}{advice}') from error
    finally:
        set_logger_level('rcl', LoggingSeverity.UNSET)


def _destroy(nodes: Sequence[Node]) -> None:
    """Destroy all nodes, then raise the first error; the log has the others."""
    errors: list[Exception] = []
    for node in nodes:
        logger = node.get_logger()
        try:
            node.destroy_node()
        except Exception as error:  # the other nodes have files to complete as well
            if errors:
                logger.error(str(error))
            errors.append(error)
    if errors:
        raise errors[0]


def start(node: Node) -> bool:
    """Configure and activate a lifecycle node that asks for it; False if that failed."""
    if not isinstance(node, LifecycleNode) or not node.get_parameter('autostart').value:
        return True
    return (
        node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        and node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    )


def run_program(
    make_nodes: Callable[[Future], Sequence[Node]], configs: Mapping[str, type] | None = None
) -> None:
    """Run as a program; an error at start is one line on stderr.

    `configs` are the dataclasses of settings, by the names of the nodes: --help lists them and
    starts nothing.
    """
    if configs and asks_for_help(sys.argv[1:]):
        print_help(Path(sys.argv[0]).name, configs)
        return
    try:
        sys.exit(run(make_nodes))
    except (BharnetError, ValueError, RuntimeError, ParameterException) as error:
        sys.exit(f'error: {error}')
