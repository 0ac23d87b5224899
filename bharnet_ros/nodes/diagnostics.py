"""State of a node on /diagnostics, once a second."""

import re
import time
from collections import deque
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
    logged: bool = False  # a warning that had its line in the log when it arose


class Rate:
    """Rate of a growing count, in Hz, between looks at it."""

    def __init__(self, seconds: float = 0.0):
        """Args: over how long to average at the least; 0: since the last look."""
        self._seconds = seconds
        self._looks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def __call__(self, count: int) -> float:
        """Return the rate; `count` is the total so far."""
        now = time.monotonic()
        while len(self._looks) > 1 and now - self._looks[1][0] >= self._seconds:
            self._looks.popleft()
        then, before = self._looks[0]
        self._looks.append((now, count))
        return (count - before) / max(now - then, 1e-6)


class Losses:
    """Counts messages of a publisher that never arrived, by the numbers of those that did."""

    def __init__(self):
        self.total = 0
        self._last: int | None = None

    def __call__(self, number: int | None) -> None:
        """Note the next message's number; None, when it has none, begins anew."""
        # Numbers that go back are those of a publisher that was started again.
        if number is not None and self._last is not None and number > self._last:
            self.total += number - self._last - 1
        self._last = number


class Problems:
    """What is wrong at present, by origin: each origin clears only what it reported itself."""

    LINES, SECONDS = 20, 10.0  # logged at most: bad input at 1 kHz must not fill a disk

    def __init__(self, log: Callable[[str], None]):
        self._log, self.last = log, ''
        self._current: dict[str, str] = {}
        self._logged: deque[float] = deque(maxlen=self.LINES)
        self._held_back = 0

    def set(self, origin: str, text: str) -> None:
        """Note a problem; it is logged when it is new."""
        if self._current.get(origin) != text:
            self._log_within_limits(text)
        self._current[origin] = self.last = text

    def _log_within_limits(self, text: str) -> None:
        now = time.monotonic()
        if len(self._logged) == self.LINES and now - self._logged[0] < self.SECONDS:
            self._held_back += 1
            return
        self._log(f'{text} ({self._held_back} more held back)' if self._held_back else text)
        self._held_back = 0
        self._logged.append(now)

    def clear(self, origin: str) -> bool:
        """Note that the origin works; True if it did not before."""
        return self._current.pop(origin, None) is not None

    def __str__(self) -> str:
        return next(iter(tuple(self._current.values())), '')


def value_to_text(value: object) -> str:
    """Return a value as a person reads it: three digits, never an exponent for a large number."""
    if not isinstance(value, float):
        return str(value)
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'


class WarningLog:
    """Logs when a node's state becomes a warning and when it is well again, not every second."""

    SETTLED = 10  # reports in a row, one a second: starting up takes some

    def __init__(self, warn: Callable[[str], None], inform: Callable[[str], None]):
        self._warn, self._inform = warn, inform
        self._kind, self._count = '', 0
        self._told = ''  # the kind of warning that was logged last and goes on

    def __call__(self, report: Report) -> None:
        """Take the next report."""
        # The same warning with other numbers is no news.
        is_news = report.level == WARN and not report.logged
        kind = re.split(r'\d', report.message)[0] if is_news else ''
        self._count = self._count + 1 if kind == self._kind else 1
        self._kind = kind
        if self._count == self.SETTLED and kind != self._told:
            self._told = kind
            if kind:
                self._warn(report.message)
            elif report.level == OK:
                self._inform(f'all is well again: {report.message}')


def start_diagnostics(node: Node, collect: Callable[[], Report]) -> None:
    """Publish `collect()` once a second of wall time, whatever the node's state and clock."""
    publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def publish() -> None:
        report = collect()
        array = DiagnosticArray(
            status=[
                DiagnosticStatus(
                    level=report.level,
                    name=node.get_fully_qualified_name().lstrip('/'),
                    message=report.message,
                    hardware_id=node.get_name(),
                    values=[
                        KeyValue(key=key, value=value_to_text(value))
                        for key, value in report.values.items()
                    ],
                )
            ]
        )
        array.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(array)

    node.create_timer(1.0, publish, clock=Clock(clock_type=ClockType.STEADY_TIME))
