"""Cameras (V4L2) and GStreamer pipelines, through OpenCV."""

import time

import numpy as np

from bharnet_ros.config import Kind, SourceConfig
from bharnet_ros.errors import reason_of
from bharnet_ros.sources.source import SourceError
from bharnet_ros.system.opencv import cv2


def camera_properties(config: SourceConfig) -> list[tuple[int, float]]:
    """Return the OpenCV properties to ask of a camera, in the order in which to set them.

    The pixel format comes first: which sizes and rates there are depends on it.
    """
    asked = [
        (cv2.CAP_PROP_FRAME_WIDTH, config.width),
        (cv2.CAP_PROP_FRAME_HEIGHT, config.height),
        (cv2.CAP_PROP_FPS, config.fps),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]
    if config.pixel_format:
        asked.insert(0, (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*config.pixel_format)))
    return [(prop, value) for prop, value in asked if value]


class CameraReader:
    """An open camera or pipeline; stamps are wall-clock time."""

    live = True
    length = 0

    def __init__(self, config: SourceConfig):
        """Open it; SourceError with one plain line if that is impossible."""
        self._config = config
        name = f'{config.kind.value} {config.display_name}'
        try:
            self._capture = self._open()
        except (cv2.error, ValueError, OverflowError) as error:
            raise SourceError(f'cannot open {name}: {reason_of(error)}') from error
        if not self._capture.isOpened():
            self._capture.release()
            advice = (
                'is it plugged in, free, and readable for this user?'
                if config.kind is Kind.CAMERA
                else 'does it work with gst-launch-1.0, and end in appsink?'
            )
            raise SourceError(f'cannot open {name}: {advice}')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else 30.0

    def _open(self) -> cv2.VideoCapture:
        source = self._config.source
        if self._config.kind is Kind.CAMERA:
            capture = cv2.VideoCapture(int(source) if source.isdigit() else source)
            for prop, value in camera_properties(self._config):
                capture.set(prop, value)
            return capture
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise SourceError(
                f'cannot open {self._config.display_name}: this OpenCV was built without '
                'GStreamer, as all wheels from PyPI are; use the one of the distribution '
                '(apt install python3-opencv), or give a URL such as rtsp://'
            )
        return cv2.VideoCapture(source, cv2.CAP_GSTREAMER)

    def close(self) -> None:
        """Release the device."""
        self._capture.release()

    def read(self) -> tuple[np.ndarray, int]:
        """Return the next (H, W, 3) uint8 BGR image and its stamp, nanoseconds.

        Raises SourceError when there are no more.
        """
        ok = self._capture.grab()
        stamp = time.time_ns()  # before decoding, which takes its time
        if ok:
            ok, image = self._capture.retrieve()
        if not ok:
            raise SourceError(
                f'{self._config.kind.value} {self._config.display_name} '
                'gives no more images: was it unplugged or switched off?'
            )
        return image, stamp
