"""Files that `bharnet run` writes beside a bag, and what a full disk leaves of them."""

import shutil
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import SECOND

MIN_FREE = 50_000_000  # bytes on the disk below which a video ends: it must still be completed
TICKS = 90_000  # a second: the clock of MPEG


class OutputError(BharnetError):
    """A file that cannot be written as asked; the text says why."""


class JsonLines:
    """A new file of lines, each written at once and whole."""

    def __init__(self, path: Path):
        """Create it; OSError if it exists or cannot be."""
        self._path, self._file = path, path.open('xb', buffering=0)
        self._count = self._end = 0  # of whole lines, and where they end

    def write(self, line: str) -> None:
        """Append a line; OSError, once, if that fails: the file is cut back to whole lines."""
        if self._file.closed:
            return
        left = f'{line}\n'.encode()
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            self.close()
            raise OSError(
                f'cannot write more to {self._path}: {error.strerror}; the '
                f'{self._count} lines in it are whole; make room, then take a new file'
            ) from error
        self._count, self._end = self._count + 1, self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class AnnotatedVideo:
    """A new video file whose frames carry their own times, so that it plays as fast as life.

    An MP4 is whole up to its last key frame even if the process is killed.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float = 30.0):
        """Open it; OutputError if that is impossible.

        Args:
            path: its suffix says the format.
            size: (width, height) of the images, pixels.
            fps: about how many frames a second will come.

        """
        self._path, self._count, self._look_every = path, 0, max(round(fps), 1)
        self._closed = False
        self._first = self._last = 0  # nanoseconds; time base ticks
        self._tick = round(TICKS / fps)  # of the last frame, and where stamps do not increase
        # Colour planes of half the size want even numbers.
        self._size = tuple(side + side % 2 for side in size)
        try:
            self._container = av.open(
                str(path), 'w', container_options={'movflags': 'frag_keyframe+hybrid_fragmented'}
            )
            self._stream = self._add_stream(fps)
            self._container.start_encoding()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise OutputError(
                f'cannot write video {path}: {reason_of(error)}; is there such a folder, and does '
                'the name end like a video, .mp4 for instance?'
            ) from error

    def _add_stream(self, fps: float) -> av.VideoStream:
        container = self._container
        has_h264 = 'libx264' in av.codecs_available and 'h264' in container.supported_codecs
        codec = 'libx264' if has_h264 else container.default_video_codec
        if codec == 'none':
            raise ValueError(f'{container.format.name} is no format of videos')
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        if not isinstance(stream, av.VideoStream):
            raise ValueError(f'{codec} is no coding of videos')
        stream.width, stream.height = self._size
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.gop_size = self._look_every  # a key frame a second
        stream.codec_context.max_b_frames = 0
        if has_h264:  # fast, since the detector needs the time, and without frames in flight
            stream.options = {'preset': 'ultrafast', 'tune': 'zerolatency', 'crf': '23'}
        stream.codec_context.thread_count = 1
        return stream

    @staticmethod
    def check(path: Path) -> None:
        """Raise OutputError if no video of this name can be written; `path` is new."""
        video = None
        try:
            video = AnnotatedVideo(path, (64, 64))
            video.write(np.zeros((64, 64, 3), np.uint8), 0)
            video.close()
        except OSError as error:
            raise OutputError(f'cannot write video {path}: {reason_of(error)}') from error
        finally:
            with suppress(OSError):
                path.unlink()

    def write(self, image: np.ndarray, stamp: int) -> None:
        """Append an (H, W, 3) uint8 BGR image of a time, nanoseconds from anywhere.

        OSError before the disk is so full that the end has no room.
        """
        if self._count % self._look_every == 0:
            free = shutil.disk_usage(self._path.absolute().parent).free
            if free < MIN_FREE:
                raise OSError(
                    f'the video {self._path} ends after {self._count} frames, while it '
                    f'can still be completed: only {free / 1e6:.0f} MB of disk are '
                    'free; make room, then take a new file'
                )
        frame = av.VideoFrame.from_ndarray(self._fitted(image), 'bgr24')
        ticks = round((stamp - self._first) * TICKS / SECOND)
        if not self._count:
            self._first, ticks = stamp, 0
        elif ticks <= self._last:
            ticks = self._last + 1
        else:
            self._tick = ticks - self._last
        frame.pts, frame.time_base, self._last = ticks, Fraction(1, TICKS), ticks
        self._mux(self._stream.encode(frame))
        self._count += 1

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        wide, high = self._size
        if (width, height) == (wide, high):
            return np.ascontiguousarray(image)
        if 0 <= wide - width <= 1 and 0 <= high - height <= 1:
            return cv2.copyMakeBorder(
                image, 0, high - height, 0, wide - width, cv2.BORDER_REPLICATE
            )
        return cv2.resize(image, (wide, high))  # the source changed its size

    def _mux(self, packets: list[av.Packet]) -> None:
        try:
            for packet in packets:
                packet.duration = self._tick
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._incomplete(reason_of(error)) from error

    def _incomplete(self, reason: str) -> OSError:
        return OSError(
            f'the video {self._path} holds {self._found()} of the {self._count} frames written to '
            f'it: {reason}; is the disk full? Make room, then take a new file'
        )

    def _found(self) -> int:
        """Return how many frames can be read from the file."""
        try:
            with av.open(str(self._path)) as container:
                return sum(packet.size > 0 for packet in container.demux(video=0))
        except (av.FFmpegError, OSError, IndexError):
            return 0

    def close(self) -> None:
        """Complete the file; OSError if it does not hold what was written to it."""
        if self._closed:
            return
        self._closed = True
        try:
            self._mux(self._stream.encode())
        except OSError:  # which says why
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            raise
        try:
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise self._incomplete(reason_of(error)) from error
        if (found := self._found()) != self._count:
            raise self._incomplete(f'only {found} came through')
