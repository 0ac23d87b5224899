"""Times of messages by a clock that may be set."""

from bharnet_ros.types import SECOND

LONGEST_PAUSE = 10 * SECOND  # of a recording that a replay waits for, nanoseconds


class ForwardTime:
    """A time that never goes back, and whose intervals stay true where a clock is set back.

    From such a step on it differs from the clock by what makes up for the step, and for good: to
    wait until the clock is there again would give all messages until then one time.
    """

    def __init__(self):
        self._offset = 0
        self._last: tuple[int, int] | None = None  # what was returned, and when by the other clock

    def __call__(self, now: int, other: int) -> int:
        """Return the time, ns; `other` is by a second clock, which tells how long a step took."""
        time = now + self._offset
        if self._last is not None:
            last, then = self._last
            if time < last:
                time = last + max(other - then, 0)
                self._offset = time - now
        self._last = time, other
        return time


class PlayTime:
    """When messages are due in a replay: spaced as they were logged.

    Not as they are stamped: several cameras on a topic each have a clock of their own, and one
    wrong stamp would hold up all that come after it. Log times are by one clock, and in order
    within a file. Where they step back all the same no time passes, and of a long pause, or where
    the clock was set forward, no more than LONGEST_PAUSE.
    """

    def __init__(self):
        self._due = 0
        self._last: int | None = None

    def __call__(self, logged: int) -> tuple[int, int]:
        """Return when the message is due, ns after the first, and how much was left out before."""
        gap = 0 if self._last is None else max(logged - self._last, 0)
        waited = min(gap, LONGEST_PAUSE)
        self._due, self._last = self._due + waited, logged
        return self._due, gap - waited


class SourceClock:
    """The time that goes with stamps of several sources, whose clocks may differ.

    It is the newest stamp of those heard within HEARD. So it steps back where the foremost falls
    silent or steps back itself, and not at every message of the others: consumers of /clock forget
    what they know at each such step. A person is a source; with a step he may get a new id.
    """

    HEARD = SECOND

    def __init__(self):
        self._latest: dict[str, tuple[int, int]] = {}  # due time and stamp
        self._now: int | None = None

    def __call__(self, source: str, stamp: int, due: int) -> int | None:
        """Take the next stamp of a source and when it is due, ns; return the time if it is new."""
        self._latest[source] = due, stamp
        self._latest = {
            name: last for name, last in self._latest.items() if due - last[0] <= self.HEARD
        }
        now = max(stamp for _, stamp in self._latest.values())
        if now == self._now:
            return None
        self._now = now
        return now
