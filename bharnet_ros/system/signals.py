"""Ending a program in order when a signal (SIGINT, SIGTERM, SIGHUP) says so."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEAF_SECONDS = 30.0  # after a signal; nodes have 10 to stop


def at_signals(handler: Callable[[int, object], None]) -> None:
    """Have `handler` called at SIGNALS; under nohup a hang-up stays ignored."""
    for number in SIGNALS:
        if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, handler)


class Ended(KeyboardInterrupt):
    """A signal asks the program to end; `status` is the exit status by the shell's custom."""

    def __init__(self, number: int):
        super().__init__(f'ended by {signal.Signals(number).name}')
        self.status = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the main thread, which must be the caller, at the first of SIGNALS.

    Those that follow within DEAF_SECONDS are ignored: a terminal that is closed sends more than
    one, and what is stopped and written on the way out must not be broken off. After that one
    counts again: the first may have been lost, as in a destructor, where exceptions go nowhere.
    Then the program ends with one plain line, deaf to more.
    """
    first: float | None = None

    def end(number: int, _: object) -> None:
        nonlocal first
        if first is None or time.monotonic() - first > DEAF_SECONDS:
            first = time.monotonic()
            raise Ended(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    at_signals(end)
    after = before
    try:
        yield
    except Ended as error:
        after = dict.fromkeys(SIGNALS, signal.SIG_IGN)
        with suppress(OSError):  # a terminal that is gone
            print(error, file=sys.stderr, flush=True)
        sys.exit(error.status)
    finally:
        for number, handler in after.items():
            signal.signal(number, handler)
