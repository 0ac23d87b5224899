"""Times of messages by a clock that may be set back."""


class ForwardTime:
    """A time that never goes back, and whose intervals stay true where a clock is set back.

    From such a step on it differs from the clock by what makes up for the step, and for good: to
    wait until the clock is there again would give all messages until then one time.
    """

    def __init__(self, slack: int = 0):
        """`slack`: steps back of at most this, nanoseconds, are no step but disorder."""
        self._slack, self._offset = slack, 0
        self._last: tuple[int, int] | None = None  # what was returned, and when by the other clock

    def __call__(self, now: int, other: int) -> int:
        """Return the time, ns; `other` is by a second clock, which tells how long a step took.

        After a step within the slack that is the last time again.
        """
        time = now + self._offset
        if self._last is not None:
            last, then = self._last
            if time < last - self._slack:
                time = last + max(other - then, 0)
                self._offset = time - now
            time = max(time, last)
        self._last = time, other
        return time
