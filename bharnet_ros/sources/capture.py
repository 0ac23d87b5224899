"""A thread that reads a source into a slot: pace of files, reconnection of live ones."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from bharnet_ros.config import Kind, SourceConfig
from bharnet_ros.errors import reason_of
from bharnet_ros.sources.source import STREAM_TIMEOUT
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import Frame


class Capture(threading.Thread):
    """Reads a source in a thread of its own into a `Slot` slot.

    A file is played at its own rate (frames that nobody took in time are dropped by the slot),
    slower where it cannot be read that fast, or as fast as frames are taken. A camera or stream
    that fails is opened again every `reconnect_seconds`; a file that fails ends the run, also one
    behind a URL once it was open. The slot is closed at the end.
    """

    def __init__(
        self,
        config: SourceConfig,
        slot: Slot[Frame],
        epoch: int = 0,
        reconnect_seconds: float | None = 2.0,
        report: Callable[[str | None], None] = lambda error: None,
        ready: Callable[[], bool] = lambda: True,
        wait_seconds: float = 0.0,
    ):
        """Start with `start()`.

        Args:
            config: what to read.
            slot: where frames go.
            epoch: nanoseconds, added to the media time of files.
            reconnect_seconds: pause between attempts on a live source; None: end at a failure.
            report: called with one line when the source fails, None when it works (again).
            ready: a file does not start before this is true, or `wait_seconds` have passed.
            wait_seconds: see `ready`.

        """
        super().__init__(name='capture', daemon=True)
        self.config, self.slot, self.epoch = config, slot, epoch
        self.reconnect_seconds, self.report = reconnect_seconds, report
        self._ready, self._wait_seconds = ready, wait_seconds
        self.error: str | None = None  # why the run ended, None for a regular end
        self.finite = config.kind is Kind.FILE  # it has an end; of a URL known once it is open
        self._stopping = threading.Event()
        self._began = 0  # monotonic time at `epoch`
        self._shift = 0  # of media time: waits, delays, and the loops before this one
        self._waited = False  # for the audience

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self, timeout: float = STREAM_TIMEOUT + 1) -> None:
        """Stop and join; a read that hangs in a driver is left behind as a daemon thread."""
        self._stopping.set()
        self.slot.close()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Read until the end, a failure, or `stop`."""
        self._began = time.monotonic_ns()
        try:
            while not self._stopping.is_set() and self._play_and_report():
                pass
        finally:
            self.slot.close()

    def _play_and_report(self) -> bool:
        """Return whether to play (again)."""
        try:
            self._play()
            return self.config.loop
        except Exception as error:  # whatever a driver raises; the owner must hear of the end
            reason = reason_of(error)
            if self.finite or self.reconnect_seconds is None:
                self.error = reason
                self.report(reason)
                return False
            self.report(f'{reason}; trying again')
            self._stopping.wait(self.reconnect_seconds)
            return True

    def _play(self) -> None:
        with VideoReader(self.config) as reader:
            self.finite = not reader.live
            if self.finite and not self._waited:
                self._wait_for_audience()
            stamp = 0
            while not self._stopping.is_set():
                frame = reader.read()
                if frame is None:
                    self._shift += stamp + int(1e9 / reader.fps)
                    return
                if reader.frames == 1:
                    self.report(None)
                if reader.live:
                    self.slot.put(frame)
                    continue
                stamp = frame.stamp
                if self.config.realtime and not self._wait_for(stamp, int(1e9 / reader.fps)):
                    return
                frame = replace(frame, stamp=self.epoch + self._shift + stamp)
                if self.config.realtime:
                    self.slot.put(frame)
                elif not self.slot.put_when_free(frame):
                    return

    def _wait_for_audience(self) -> None:
        """Wait until `ready`; the file begins when the wait is over."""
        self._waited = True
        deadline = time.monotonic() + self._wait_seconds
        while not self._ready() and time.monotonic() < deadline and not self._stopping.wait(0.05):
            self._shift = time.monotonic_ns() - self._began

    def _wait_for(self, media: int, period: int) -> bool:
        """Wait until a frame of a file is due; False if stopped meanwhile. Nanoseconds."""
        late = time.monotonic_ns() - (self._began + self._shift + media)
        if late > period:
            # It cannot be read as fast as it plays, or had to be opened. Stamps that stay behind
            # the clock would make its images older and older.
            self._shift += late
        return late >= 0 or not self._stopping.wait(-late / 1e9)
