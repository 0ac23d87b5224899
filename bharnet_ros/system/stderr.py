"""Keeping a library's small talk off stderr, where it cannot be told to be silent."""

import atexit
import os
import re
import select
import sys
import threading


class StderrFilter:
    """Passes on what this process writes to stderr, line by line, without the noise.

    Works on the file descriptor, so what C++ writes is caught as well. Lines go on at once, by a
    thread of their own: whoever hangs holds nobody's words back. A program that ends says its
    last line too; only one that is killed meanwhile may lose it. All users share one filter,
    which is there from the first `start` to the last `stop`.
    """

    _lock = threading.Lock()
    _users = 0
    _original = -1  # descriptor of the real stderr while the filter is in its place
    _thread: threading.Thread | None = None

    def __init__(self, noise: re.Pattern[bytes]):
        """Args: noise, searched in each line; a line in which it is found is dropped."""
        self._noise, self._on = noise, False

    def start(self) -> None:
        """Begin to filter; nothing happens where there is no stderr."""
        cls = StderrFilter
        with cls._lock:
            if self._on or sys.stderr is None:
                return
            if cls._users == 0:
                try:
                    cls._original = os.dup(2)
                except OSError:  # closed by the caller
                    return
                reader, writer = os.pipe()
                os.dup2(writer, 2)
                os.close(writer)
                cls._thread = threading.Thread(
                    target=self._pass_on, args=(reader, cls._original), name='stderr', daemon=True
                )
                cls._thread.start()
            cls._users += 1
            self._on = True
            atexit.register(self.stop)  # the interpreter does not wait for such threads

    def stop(self) -> None:
        """End it; what was written before is passed on first."""
        cls = StderrFilter
        with cls._lock:
            if not self._on:
                return
            self._on = False
            atexit.unregister(self.stop)
            cls._users -= 1
            if cls._users == 0 and cls._thread is not None:
                os.dup2(cls._original, 2)  # closes the pipe, unless a child process has it too
                cls._thread.join(1.0)
                cls._thread = None

    def _pass_on(self, reader: int, original: int) -> None:
        try:
            with os.fdopen(reader, 'rb') as lines:
                for line in lines:
                    if not self._noise.search(line):
                        _write_all(original, line)
        finally:
            os.close(original)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however slow the reader is; where nobody reads, it is lost."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # a pipe that is full and does not wait by itself
            select.select([], [descriptor], [], 1.0)
        except OSError:
            return
