"""Where frames come from: a camera, a video file, or a network stream, all through OpenCV."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np

from bharnet_ros.latest import Latest
from bharnet_ros.opencv import cv2

STREAM_TIMEOUT_MS = 5000  # a network stream that is silent for so long is lost


class SourceError(RuntimeError):
    """A source that cannot be opened or broke off; the text says which and what to do."""


@dataclass(frozen=True)
class Frame:
    """One image and the time it was acquired."""

    image: np.ndarray  # (H, W, 3) uint8, BGR, not mirrored
    stamp: int  # nanoseconds
    frame_id: str = ''  # coordinate frame of the camera (ROS header)


class Kind(Enum):
    """What a source string means."""

    CAMERA = 'camera'
    FILE = 'video file'
    STREAM = 'stream'


@dataclass(frozen=True)
class SourceConfig:
    """A source and how to play it."""

    source: str  # '0' or '/dev/video0'; a path; a URL (rtsp, http, ...) or GStreamer pipeline
    width: int = 0  # asked of a camera; 0: its default
    height: int = 0
    fps: float = 0.0
    realtime: bool = True  # a file plays at its own rate; False: as fast as it is consumed
    loop: bool = False  # a file starts again at its end
    frame_id: str = ''  # given to every frame

    @property
    def kind(self) -> Kind:
        """Camera for a number or /dev path, stream for a URL or pipeline, else a file."""
        if (self.source.isascii() and self.source.isdigit()) or self.source.startswith('/dev/'):
            return Kind.CAMERA
        if ' ! ' in self.source or re.match(r'(?!file:)[a-z][a-z0-9+.-]*://', self.source, re.I):
            return Kind.STREAM
        return Kind.FILE

    @property
    def display_name(self) -> str:
        """The source without user name and password, for logs."""
        if self.kind is not Kind.STREAM:
            return self.source
        shown = re.sub(r'//[^/?#\s]+@', '//***@', self.source)
        return re.sub(r'\b(user-pw=)("[^"]*"|\S+)', r'\1***', shown)  # GStreamer's rtspsrc


class VideoReader:
    """An open source. Use as a context manager, or call `close`."""

    def __init__(self, config: SourceConfig):
        """Open it; SourceError with one plain line if that is impossible."""
        self.config, self.frames = config, 0
        self._media_ns = -1  # media time of the last frame of a file
        try:
            self._capture = self._open()
        except (cv2.error, ValueError, OverflowError) as error:
            raise SourceError(f'cannot open {config.kind.value} {config.display_name}: '
                              f'{str(error).strip().splitlines()[0]}') from error
        if not self._capture.isOpened():
            self._capture.release()
            advice = {
                Kind.FILE: 'not a video that OpenCV can read, or cut off at its start',
                Kind.CAMERA: 'is it plugged in, free, and readable for this user?',
                Kind.STREAM: 'is the address right and the sender up?',
            }[config.kind]
            raise SourceError(f'cannot open {config.kind.value} {config.display_name}: {advice}')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else 30.0
        self.length = (int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
                       if config.kind is Kind.FILE else 0)

    def _open(self) -> cv2.VideoCapture:
        config = self.config
        source, kind = config.source, config.kind
        if kind is Kind.FILE:
            path = Path(source.removeprefix('file://'))
            if not path.is_file():
                raise SourceError(f'no such video file: {source}')
            # Absolute, because FFmpeg would take 'cam:1.mp4' for a protocol.
            return cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        if kind is Kind.CAMERA:
            capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
            for prop, value in ((cv2.CAP_PROP_FRAME_WIDTH, config.width),
                                (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
                                (cv2.CAP_PROP_FPS, config.fps), (cv2.CAP_PROP_BUFFERSIZE, 1)):
                if value:
                    capture.set(prop, value)
            return capture
        if ' ! ' in source:
            return cv2.VideoCapture(source, cv2.CAP_GSTREAMER)
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT_MS])

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the device or file."""
        self._capture.release()

    def read(self) -> Frame | None:
        """Return the next frame; None at the end of a file.

        Stamps are wall-clock time for cameras and streams, media time from 0 for files. Raises
        SourceError when a live source gives nothing any more or a file breaks off early.
        """
        ok = self._capture.grab()
        stamp = time.time_ns()  # before decoding, which takes its time
        if ok:
            ok, image = self._capture.retrieve()
        if self.config.kind is not Kind.FILE:
            if not ok:
                raise SourceError(f'{self.config.kind.value} {self.config.display_name} '
                                  'gives no more images: was it unplugged or switched off?')
            self.frames += 1
            return Frame(image, stamp, self.config.frame_id)
        if not ok:
            # Containers round their frame count; a hole of more than 2 % is a broken file.
            if self.frames < self.length * 0.98 - 1 or self.frames == 0:
                raise SourceError(f'{self.config.source} breaks off after {self.frames} of '
                                  f'{self.length} frames: the file is truncated or corrupt, '
                                  'copy it again')
            return None
        media = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if media <= self._media_ns:  # some containers carry no time: fall back on the rate
            media = self._media_ns + int(1e9 / self.fps) if self.frames else 0
        self._media_ns = media
        self.frames += 1
        return Frame(image, media, self.config.frame_id)


class Capture(threading.Thread):
    """Reads a source in a thread of its own into a `Latest` slot.

    A file is played at its own rate (frames that nobody took in time are dropped by the slot),
    slower where it cannot be read that fast, or as fast as frames are taken. A camera or stream
    that fails is opened again every `reconnect_seconds`; a file that fails ends the run. The slot
    is closed at the end.
    """

    def __init__(self, config: SourceConfig, slot: Latest[Frame], epoch: int = 0,
                 reconnect_seconds: float | None = 2.0,
                 report: Callable[[str | None], None] = lambda error: None,
                 ready: Callable[[], bool] = lambda: True, wait_seconds: float = 0.0):
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
        self._stopping = threading.Event()
        self._began = 0  # monotonic time at `epoch`
        self._shift = 0  # of media time: waits, delays, and the loops before this one

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self, timeout: float = STREAM_TIMEOUT_MS / 1000 + 1) -> None:
        """Stop and join; a read that hangs in a driver is left behind as a daemon thread."""
        self._stopping.set()
        self.slot.close()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Read until the end, a failure, or `stop`."""
        self._began = time.monotonic_ns()
        deadline = self._began + int(self._wait_seconds * 1e9)
        while (self.config.kind is Kind.FILE and not self._ready()
               and time.monotonic_ns() < deadline and not self._stopping.wait(0.05)):
            # The file begins when the wait is over.
            self._shift = time.monotonic_ns() - self._began
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
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            self.report(reason)
            if self.config.kind is Kind.FILE or self.reconnect_seconds is None:
                self.error = reason
                return False
            self._stopping.wait(self.reconnect_seconds)
            return True

    def _play(self) -> None:
        is_file = self.config.kind is Kind.FILE
        with VideoReader(self.config) as reader:
            stamp = 0
            while not self._stopping.is_set():
                frame = reader.read()
                if frame is None:
                    self._shift += stamp + int(1e9 / reader.fps)
                    return
                if reader.frames == 1:
                    self.report(None)
                if not is_file:
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

    def _wait_for(self, media: int, period: int) -> bool:
        """Wait until a frame of a file is due; False if stopped meanwhile. Nanoseconds."""
        late = time.monotonic_ns() - (self._began + self._shift + media)
        if late > period:
            # It cannot be read as fast as it plays, or had to be opened. Stamps that stay behind
            # the clock would make its images older and older.
            self._shift += late
        return late >= 0 or not self._stopping.wait(-late / 1e9)
