"""People as strips of skeletons, one picture beside the other, and no face."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bharnet_ros.outputs.draw import MIN_VISIBILITY, draw_keypoints
from bharnet_ros.types import PARTS, Keypoints

SIDE = 96  # pixels of one picture
MARGIN = 0.05  # of the side


def draw_strip(frames: Sequence[Keypoints], side: int = SIDE) -> np.ndarray:
    """Return (side, side * N, 3) uint8 BGR: N frames of one person, at one place and size."""
    low, size = _fit(frames)
    image = np.zeros((side, side * len(frames), 3), np.uint8)
    for place, frame in enumerate(frames):
        if frame.body is not None:
            tile = image[:, place * side : (place + 1) * side]
            moved = _at(frame, low, size, side)
            tile[:] = draw_keypoints(np.zeros((side, side, 3), np.uint8), [moved])
    return image


def _fit(frames: Sequence[Keypoints]) -> tuple[np.ndarray, float]:
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


def _at(frame: Keypoints, low: np.ndarray, size: float, side: int) -> Keypoints:
    """Return keypoints of the picture that the square is."""
    moved = {}
    for name in PARTS:
        points = getattr(frame, name)
        if points is not None:
            moved[name] = points.copy()
            moved[name][:, :2] = (points[:, :2] * (1, frame.aspect) - low) / size
    return replace(frame, width=side, height=side, **moved)
