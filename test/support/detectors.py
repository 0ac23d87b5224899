"""A detector for tests that are not about MediaPipe: what it finds follows from the pixels."""

import time

import numpy as np

from bharnet_ros.config import DetectorConfig
from bharnet_ros.types import Frame, Keypoints

PLAIN, BRIGHT = 4, 128  # of 255: a deviation and a mean
RNG = np.random.default_rng(5)
BODY = RNG.uniform(0.3, 0.7, (33, 4)).astype(np.float32)
HAND = RNG.uniform(0.4, 0.5, (21, 3)).astype(np.float32)


class StubDetector:
    """Sees nobody in an image of one colour, else a person; the right hand in bright ones."""

    name = 'stub'

    def __init__(self, config: DetectorConfig | None = None, note=None, seconds: float = 0.0):
        """Args: config and note are not used; seconds, how much computing an image takes."""
        self._seconds = seconds

    def detect(self, frame: Frame) -> list[Keypoints]:
        """See `Detector.detect`."""
        end = time.thread_time() + self._seconds
        while time.thread_time() < end:  # computes, as MediaPipe would
            np.sort(frame.image, axis=None)
        height, width = frame.image.shape[:2]
        if frame.image.std((0, 1)).max() < PLAIN:
            return [Keypoints(frame.stamp, width, height, frame_id=frame.frame_id)]
        return [
            Keypoints(
                frame.stamp,
                width,
                height,
                person_id='person 0',
                body=BODY,
                right_hand=HAND if frame.image.mean() >= BRIGHT else None,
                frame_id=frame.frame_id,
            )
        ]

    def close(self) -> None:
        """Hold nothing."""
