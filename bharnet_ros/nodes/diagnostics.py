"""State of a node on /diagnostics, once a second."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@dataclass
class Report:
    """What a node says of itself."""

    level: bytes
    message: str
    values: dict[str, object] = field(default_factory=dict)


class Rate:
    """Events a second since the last question. One thread ticks, another asks."""

    def __init__(self):
        self._count, self._asked = 0, time.monotonic()

    def tick(self) -> None:
        """Count one event."""
        self._count += 1

    def __call__(self) -> float:
        """Return the rate since the last call."""
        now = time.monotonic()
        rate, self._count, self._asked = (self._count / max(now - self._asked, 1e-6), 0, now)
        return rate


def start_diagnostics(node: Node, collect: Callable[[], Report]) -> None:
    """Publish `collect()` once a second of wall time, whatever the node's state and clock."""
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish() -> None:
        report = collect()
        array = DiagnosticArray(status=[DiagnosticStatus(
            level=report.level, name=node.get_fully_qualified_name().lstrip('/'),
            message=report.message, hardware_id=node.get_name(),
            values=[KeyValue(key=key, value=f'{value:.3g}' if isinstance(value, float)
                             else str(value)) for key, value in report.values.items()])])
        array.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(array)

    node.create_timer(1.0, publish, clock=Clock(clock_type=ClockType.STEADY_TIME))
