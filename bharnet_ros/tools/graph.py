"""The graph in processes of its own, for programs that start it: demo, soak and bench."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import rclpy
from ament_index_python.packages import get_package_prefix
from rclpy.node import Node

from bharnet_ros.errors import BharnetError
from bharnet_ros.nodes.program import init
from bharnet_ros.system.child import command
from bharnet_ros.system.resources import share_dir

STOP_SECONDS = 10.0  # that a node has to end in order


class ProcessDiedError(BharnetError):
    """A process that should go on has ended; the text says which, and its status."""


@contextmanager
def ros() -> Iterator[None]:
    """Keep ROS up; with `ended_by_signals` also when a signal comes, to stop nodes in order.

    Only for this machine, unless the environment says otherwise: ROS looks at that here.
    """
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    init()
    try:
        yield
    finally:
        rclpy.try_shutdown()


def start(executable: str, namespace: str = '', **params: object) -> subprocess.Popen:
    """Start one of the package's nodes in a session of its own; to be called by the main thread.

    It ends, at the latest, with this process; see `child`.
    """
    path = Path(get_package_prefix('bharnet_ros')) / 'lib' / 'bharnet_ros' / executable
    args = ['--ros-args', '--log-level', 'warn']
    if namespace:
        args += ['-r', f'__ns:=/{namespace}']
    for name, value in params.items():
        args += ['-p', f'{name}:={yaml_value(value)}']
    return subprocess.Popen(command([str(path), *args]), start_new_session=True)


def yaml_value(value: object) -> str:
    """Return a parameter's value as ROS reads it; text stays text, whatever is in it."""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    plain = (c if c.isprintable() and c not in '"\\' else f'\\U{ord(c):08x}' for c in str(value))
    return f'"{"".join(plain)}"'


def start_graph(source: str, model: str, loop: bool = False) -> dict[str, subprocess.Popen]:
    """Start recognition_node, then camera_node, or without a source the shipped recording.

    Nothing plays before two listen to keypoints: recognition_node and the caller. The input, the
    last entry, ends by itself unless it is to `loop`.
    """
    listeners: dict[str, Any] = {'subscribers': 2, 'wait_for_subscriber': 20.0}
    processes = {
        'recognition_node': start(
            'recognition_node', autostart=True, model=model, use_sim_time=not source
        )
    }
    if source:
        processes['camera_node'] = start(
            'camera_node',
            autostart=True,
            source=source,
            at_end='loop' if loop else 'exit',
            **listeners,
        )
    else:
        processes['replay_node'] = start(
            'replay_node', loop=loop, **listeners, bag=share_dir() / 'models' / 'demo_keypoints'
        )
    return processes


def spin_until(
    node: Node,
    processes: Mapping[str, subprocess.Popen],
    deadline: float,
    ready: Callable[[], object] = lambda: False,
) -> bool:
    """Handle a node's messages until ready, or a time of `time.monotonic`; tell whether ready.

    Raises ProcessDiedError as soon as one of the processes ends.
    """
    while not ready() and time.monotonic() < deadline:
        rclpy.spin_once(node, timeout_sec=min(0.1, max(0.0, deadline - time.monotonic())))
        for name, process in processes.items():
            if process.poll() is not None:
                raise ProcessDiedError(f'{name} died with status {process.returncode}')
    return bool(ready())


def stop(processes: Mapping[str, subprocess.Popen]) -> list[str]:
    """End nodes in order, those started last first; return a plain line for each that did not.

    One that SIGTERM ends before it has a handler has nothing to put in order.
    """
    complaints = []
    running = {name: process for name, process in processes.items() if process.poll() is None}
    for name, process in reversed(running.items()):
        # Not SIGINT: Python answers it with a traceback until the node has its own handler.
        with suppress(ProcessLookupError):  # it ended while another one was stopped
            os.killpg(process.pid, signal.SIGTERM)
        try:
            if process.wait(STOP_SECONDS) not in (0, -signal.SIGTERM):
                complaints.append(f'{name} ended with status {process.returncode} when stopped')
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            complaints.append(f'{name} was killed: it did not end within {STOP_SECONDS:.0f} s')
    return complaints
