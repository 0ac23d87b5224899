"""Ending a program in order when a signal (SIGINT, SIGTERM, SIGHUP) says so."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """A signal asks the program to end; `status` is the exit status by the shell's custom."""

    def __init__(self, number: int):
        super().__init__(f'ended by {signal.Signals(number).name}')
        self.status = 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` in the main thread, which must be the caller, at the first of SIGNALS.

    Those after it are ignored: a terminal that is closed sends more than one, and what is stopped
    and written on the way out must not be broken off. Then the program ends with one plain line.
    """
    def end(number: int, _: object) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if not (number == signal.SIGHUP and handler == signal.SIG_IGN):  # nohup
            signal.signal(number, end)
    try:
        yield
    except Ended as error:
        with suppress(OSError):  # a terminal that is gone
            print(error, file=sys.stderr, flush=True)
        sys.exit(error.status)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
