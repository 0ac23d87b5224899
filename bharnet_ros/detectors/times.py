"""A clock that only goes forward, from stamps that may not."""

from bharnet_ros.types import SECOND


class MonotonicTime:
    """Strictly increasing microseconds from any stamps.

    True intervals are kept, because smoothing filters need them; a stamp that
    repeats, goes back or jumps ahead by more than a second counts as one frame at 30 Hz.
    """

    NOMINAL = 33_333

    def __init__(self):
        self._last_stamp: int | None = None
        self._now = 0

    def __call__(self, stamp: int) -> int:
        """Map a stamp (nanoseconds) to time (microseconds)."""
        step = self.NOMINAL
        if self._last_stamp is not None and 1000 <= stamp - self._last_stamp <= SECOND:
            step = (stamp - self._last_stamp) // 1000
        self._last_stamp = stamp
        self._now += step
        return self._now
