"""Waiting until those who listen have what was published, before the publisher goes."""

import time
from collections.abc import Callable

from rclpy.duration import Duration
from rclpy.publisher import Publisher

POLL = 0.02  # seconds
HEARTBEAT = 3.0  # seconds; so often Fast DDS asks for acknowledgements


def wait_for_all_acked(
    publisher: Publisher, seconds: float, give_up: Callable[[], bool] = lambda: False
) -> bool:
    """Tell whether every reliable subscription acknowledged all messages within that time.

    rclpy's own method holds Python's lock while it waits (7.1.6), and with it every thread of the
    process: another node's, the detector's, signal handlers. Asking without waiting does not.
    """
    deadline = time.monotonic() + seconds
    while not publisher.wait_for_all_acked(Duration(seconds=0)):
        if give_up() or time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True
