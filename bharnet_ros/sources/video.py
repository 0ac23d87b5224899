"""Reading a camera, a video file or a network stream, one frame after the other."""

import time
from pathlib import Path

from bharnet_ros.config import Kind, SourceConfig
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import Frame

STREAM_TIMEOUT_MS = 5000  # a network stream that is silent for so long is lost


class SourceError(BharnetError):
    """A source that cannot be opened or broke off; the text says which and what to do."""


class VideoReader:
    """An open source. Use as a context manager, or call `close`."""

    def __init__(self, config: SourceConfig):
        """Open it; SourceError with one plain line if that is impossible."""
        self.config, self.frames = config, 0
        self._media_ns = -1  # media time of the last frame of a file
        try:
            self._capture = self._open()
        except (cv2.error, ValueError, OverflowError) as error:
            raise SourceError(
                f'cannot open {config.kind.value} {config.display_name}: {reason_of(error)}'
            ) from error
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
        self.length = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)) if config.kind is Kind.FILE else 0
        )

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
            for prop, value in (
                (cv2.CAP_PROP_FRAME_WIDTH, config.width),
                (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
                (cv2.CAP_PROP_FPS, config.fps),
                (cv2.CAP_PROP_BUFFERSIZE, 1),
            ):
                if value:
                    capture.set(prop, value)
            return capture
        if ' ! ' in source:
            return cv2.VideoCapture(source, cv2.CAP_GSTREAMER)
        return cv2.VideoCapture(
            source,
            cv2.CAP_FFMPEG,
            [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                STREAM_TIMEOUT_MS,
            ],
        )

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
                raise SourceError(
                    f'{self.config.kind.value} {self.config.display_name} '
                    'gives no more images: was it unplugged or switched off?'
                )
            self.frames += 1
            return Frame(image, stamp, self.config.frame_id)
        if not ok:
            # Containers round their frame count; a hole of more than 2 % is a broken file.
            if self.frames < self.length * 0.98 - 1 or self.frames == 0:
                raise SourceError(
                    f'{self.config.source} breaks off after {self.frames} of '
                    f'{self.length} frames: the file is truncated or corrupt, '
                    'copy it again'
                )
            return None
        media = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if media <= self._media_ns:  # some containers carry no time: fall back on the rate
            media = self._media_ns + int(1e9 / self.fps) if self.frames else 0
        self._media_ns = media
        self.frames += 1
        return Frame(image, media, self.config.frame_id)
