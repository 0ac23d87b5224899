"""Small pictures of head, hands and feet: cut out of a frame, and chosen for a window."""

import numpy as np

from bharnet_ros.layouts import DETECTOR_LAYOUTS, BodyHandLayout
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import CropShape, Keypoints

SIDE = 1.0  # of a square, in shoulder widths: a hand and what it holds
TRUNK = 0.6  # of its length: a shoulder width where the shoulders are seen from the side
BEYOND_WRIST = 0.3  # of the forearm: where a hand is whose points were not found
LEAST_SIDE = 4.0  # pixels of the image


def cut_crops(image: np.ndarray, person: Keypoints, shape: CropShape) -> np.ndarray | None:
    """Cut the squares that a model asks for out of the image that keypoints were found in.

    What lies outside the image is black, 0 in all channels, and nothing inside is: a pixel there
    is at least 1. So a picture says by itself where, and whether, anything was seen.

    Args:
        image: (H, W, 3) uint8, BGR, not mirrored.
        person: found in it; may lie outside in part.
        shape: which parts, and how many pixels.

    Returns:
        (R, S, S, 3) uint8, BGR, in the order of `shape.rows`; None if there is no body.

    """
    if person.body is None:
        return None
    layout = DETECTOR_LAYOUTS[person.layout]
    size = np.array([image.shape[1], image.shape[0]], np.float64)
    body = person.body[:, :2] * size
    side = max(SIDE * _shoulder_width(body, layout), LEAST_SIDE)
    return np.stack(
        [
            _square(image, _centre(row, person, body, layout, size), side, shape.size)
            for row in shape.rows
        ]
    )


def _shoulder_width(body: np.ndarray, layout: BodyHandLayout) -> float:
    joints = layout.body
    shoulders, hips = (
        body[[joints.index(f'left_{name}'), joints.index(f'right_{name}')]]
        for name in ('shoulder', 'hip')
    )
    width = np.linalg.norm(shoulders[0] - shoulders[1])
    return float(max(width, TRUNK * np.linalg.norm(shoulders.mean(0) - hips.mean(0))))


def _centre(
    row: str, person: Keypoints, body: np.ndarray, layout: BodyHandLayout, size: np.ndarray
) -> np.ndarray:
    """Return (2,) pixels."""
    if row == 'head':
        return body[layout.body.index('nose')]
    part, _, kind = row.partition('_')
    if kind == 'foot':
        return body[layout.body.index(f'{part}_ankle')]
    hand = getattr(person, row)
    if hand is not None:
        return hand[:, :2].mean(0) * size
    wrist, elbow = (body[layout.body.index(f'{part}_{name}')] for name in ('wrist', 'elbow'))
    return wrist + BEYOND_WRIST * (wrist - elbow)


def _square(image: np.ndarray, centre: np.ndarray, side: float, pixels: int) -> np.ndarray:
    """Return a square about `centre` as (pixels, pixels, 3), black where the image ends."""
    picture = np.zeros((pixels, pixels, 3), np.uint8)
    corner, scale = centre - side / 2, pixels / side
    height, width = image.shape[:2]
    low = np.clip(np.floor(corner), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(corner + side), 0, [width, height]).astype(int)
    first = np.clip(np.round((low - corner) * scale), 0, pixels).astype(int)
    last = np.clip(np.round((high - corner) * scale), 0, pixels).astype(int)
    if (high <= low).any() or (last <= first).any():
        return picture
    inside = image[low[1] : high[1], low[0] : high[0]]
    picture[first[1] : last[1], first[0] : last[0]] = np.maximum(
        cv2.resize(inside, tuple(map(int, last - first)), interpolation=cv2.INTER_AREA), 1
    )
    return picture


def pick_frames(
    times: np.ndarray, seen: np.ndarray, start: float, stop: float, count: int, max_gap: float
) -> np.ndarray:
    """Choose the frames of a window whose pictures a model looks at.

    The window is cut into `count` equal pieces; each gives the frame with pictures that is nearest
    to its middle.

    Args:
        times: (N,) of the frames, increasing.
        seen: (N,) bool, whether a frame has pictures.
        start: of the window, in the unit of `times`.
        stop: the same.
        count: K, how many frames.
        max_gap: a frame further from the middle than this does not stand for it.

    Returns:
        (K,) int, places in `times`; -1 where there is no frame.

    """
    middles = start + (stop - start) * (np.arange(count) + 0.5) / count
    usable = np.flatnonzero(seen)
    if not len(usable):
        return np.full(count, -1)
    away = np.abs(times[usable] - middles[:, None])
    nearest = away.argmin(1)
    return np.where(away[np.arange(count), nearest] <= max_gap, usable[nearest], -1)
