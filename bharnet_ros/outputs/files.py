"""Files that `bharnet run` writes beside a bag, and what a full disk leaves of them."""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np

from bharnet_ros.errors import BharnetError
from bharnet_ros.system.opencv import cv2

MIN_FREE = 50_000_000  # bytes on the disk below which a video ends: it must still be completed


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
    """A new video file. OpenCV does not say when writing fails, so this looks for itself."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]):
        """Open it; `size` is (width, height). OutputError if OpenCV cannot."""
        self._path, self._count, self._look_every = path, 0, max(round(fps), 1)
        self._writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*'mp4v'), fps, size
        )
        if not self._writer.isOpened():
            raise OutputError(
                f'cannot write video {path}: is there such a folder, and does '
                'the name end like a video, .mp4 for instance?'
            )

    @staticmethod
    def check(path: Path) -> None:
        """Raise OutputError if OpenCV cannot write a video of this name; `path` is new."""
        try:
            AnnotatedVideo(path, 30.0, (64, 64)).close()
        finally:
            with suppress(OSError):
                path.unlink()

    def write(self, image: np.ndarray) -> None:
        """Append an image; OSError before the disk is so full that the end has no room."""
        if self._count % self._look_every == 0:
            free = shutil.disk_usage(self._path.absolute().parent).free
            if free < MIN_FREE:
                raise OSError(
                    f'the video {self._path} ends after {self._count} frames, while it '
                    f'can still be completed: only {free / 1e6:.0f} MB of disk are '
                    'free; make room, then take a new file'
                )
        self._writer.write(image)
        self._count += 1

    def close(self) -> None:
        """Complete the file; OSError if it does not hold what was written to it."""
        self._writer.release()
        reader = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        found = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found < 0.98 * self._count - 1:  # containers round their frame count
            raise OSError(
                f'the video {self._path} holds {found} of the {self._count} frames '
                'written to it: is the disk full?'
            )
