"""Who is who from image to image, and which hand is whose."""

import uuid

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.types import SECOND

LEFT_WRIST, RIGHT_WRIST = (MEDIAPIPE_POSE.index(f'{s}_wrist') for s in ('left', 'right'))
SHOULDERS = [MEDIAPIPE_POSE.index(f'{s}_shoulder') for s in ('left', 'right')]


def drop_duplicate_hand(
    body: np.ndarray, left: np.ndarray | None, right: np.ndarray | None, aspect: float
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Drop one of two hands that are the same hand.

    When a hand is hidden its slot tends to snap onto the other one; the wrist's visibility does
    not show that, two hands in one place do. Centres closer than half a hand size are one hand,
    and it belongs to the pose wrist that is nearer.

    Args:
        body: (33, 4), left, right: (21, 3) or None, normalised coordinates.
        aspect: image height over width.

    """
    if left is None or right is None:
        return left, right
    scale = np.array([1.0, aspect], np.float32)
    a, b = left[:, :2] * scale, right[:, :2] * scale
    size = max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max())
    if np.linalg.norm(a.mean(0) - b.mean(0)) >= size / 2:
        return left, right
    wrists = body[[LEFT_WRIST, RIGHT_WRIST], :2] * scale
    to_left, to_right = np.linalg.norm(wrists - (a[0] + b[0]) / 2, axis=1)
    return (left, None) if to_left < to_right else (None, right)


class BodyTracker:
    """Gives the one body that MediaPipe follows an id, new when it may be somebody else.

    That is after an absence of `lost_seconds`, and when the shoulders jump by more than two
    shoulder widths between images less than 0.3 s apart.
    """

    def __init__(self, lost_seconds: float = 1.0):
        self.lost_seconds = lost_seconds
        self._id = ''
        self._stamp = 0
        self._place = np.zeros(2)

    def __call__(self, body: np.ndarray, aspect: float, stamp: int) -> str:
        """Return the id for this body (33, 4) at this time (nanoseconds)."""
        shoulders = body[SHOULDERS, :2] * (1.0, aspect)
        place = shoulders.mean(0)
        width = max(float(np.linalg.norm(shoulders[0] - shoulders[1])), 0.05)
        pause = abs(stamp - self._stamp) / SECOND
        jumped = pause < 0.3 and np.linalg.norm(place - self._place) > 2 * width
        if not self._id or pause > self.lost_seconds or jumped:
            self._id = f'b{uuid.uuid4().hex[:5]}'
        self._stamp, self._place = stamp, place
        return self._id
