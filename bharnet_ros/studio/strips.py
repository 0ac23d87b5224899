"""Takes as small pictures: a strip of skeletons, and no face."""

from dataclasses import replace

import numpy as np

from bharnet_ros.outputs.draw import MIN_VISIBILITY, draw_keypoints
from bharnet_ros.system.opencv import cv2
from bharnet_ros.teaching.takes import Take
from bharnet_ros.types import PARTS, Keypoints

PICTURES, SIDE = 5, 96  # in a strip, and pixels of one
MARGIN = 0.05  # of the side


def strip(take: Take) -> bytes:
    """Return the showing in PICTURES skeletons, one beside the other, as JPEG."""
    frames = [frame for frame in take.frames() if take.start <= frame.stamp <= take.stop]
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, PICTURES).round().astype(int)]
    low, size = _fit(chosen)
    image = np.zeros((SIDE, SIDE * PICTURES, 3), np.uint8)
    for place, frame in enumerate(chosen):
        if frame.body is not None:
            tile = image[:, place * SIDE : (place + 1) * SIDE]
            tile[:] = draw_keypoints(np.zeros((SIDE, SIDE, 3), np.uint8), [_at(frame, low, size)])
    return cv2.imencode('.jpg', image)[1].tobytes()


def _fit(frames: list[Keypoints]) -> tuple[np.ndarray, float]:
    """Return the corner and the side of the square that holds everything, in image widths."""
    seen = [np.zeros((1, 2))]
    for frame in frames:
        for name in PARTS:
            points = getattr(frame, name)
            if points is not None:
                shown = points[:, 3] >= MIN_VISIBILITY if name == 'body' else slice(None)
                seen.append(points[shown, :2] * (1, frame.aspect))
    points = np.concatenate(seen[1:] or seen)
    low, high = points.min(axis=0), points.max(axis=0)
    size = max(float((high - low).max()), 0.01) * (1 + 2 * MARGIN)
    return (low + high - size) / 2, size


def _at(frame: Keypoints, low: np.ndarray, size: float) -> Keypoints:
    """Return keypoints of the picture that the square is."""
    moved = {}
    for name in PARTS:
        points = getattr(frame, name)
        if points is not None:
            moved[name] = points.copy()
            moved[name][:, :2] = (points[:, :2] * (1, frame.aspect) - low) / size
    return replace(frame, width=SIDE, height=SIDE, **moved)
