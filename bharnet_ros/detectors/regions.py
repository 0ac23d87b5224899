"""Square regions of an image, turned and of any size, which networks look at.

All lengths are pixels of the image, x to the right and y down; angles are radians, clockwise.
The numbers in what makes regions are those of MediaPipe's graphs: its networks were trained so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.system.opencv import cv2


@dataclass(frozen=True)
class Region:
    """A square about (x, y) with sides of `side`, turned by `angle`."""

    x: float
    y: float
    side: float
    angle: float

    def scaled(self, factor: float, shift: float = 0.0) -> 'Region':
        """Return it enlarged, after moving it down its own axis by `shift` of its side."""
        return Region(
            self.x - math.sin(self.angle) * self.side * shift,
            self.y + math.cos(self.angle) * self.side * shift,
            self.side * factor,
            self.angle,
        )

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Return points (V, 2 or 3) given in shares of the region, 0 to 1, in pixels.

        z is scaled alike, and not turned.
        """
        placed = points * self.side
        placed[:, :2] = (points[:, :2] - 0.5) @ rotation(self.angle).T * self.side
        placed[:, :2] += (self.x, self.y)
        return placed

    def contains(self, points: np.ndarray, margin: float) -> bool:
        """Whether points (V, 2) lie inside, of the region enlarged by `margin` of its side."""
        own = (points - (self.x, self.y)) @ rotation(self.angle)
        return bool((np.abs(own) < self.side * (1 + margin) / 2).all())

    def overlap(self, other: 'Region') -> float:
        """Return intersection over union of the two, as if neither was turned."""
        inner = [
            min(a + self.side / 2, b + other.side / 2) - max(a - self.side / 2, b - other.side / 2)
            for a, b in ((self.x, other.x), (self.y, other.y))
        ]
        area = max(inner[0], 0.0) * max(inner[1], 0.0)
        return area / max(self.side**2 + other.side**2 - area, 1e-9)


def rotation(angle: float) -> np.ndarray:
    """Return the (2, 2) matrix that turns columns by an angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def wrapped(angle: float) -> float:
    """Return the same angle from -pi to pi."""
    return angle - 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))


def about(center: np.ndarray, edge: np.ndarray, upright: float = math.pi / 2) -> Region:
    """Return the region about a point whose half side reaches another, which `upright` turns up.

    Args:
        center: (2,) pixels.
        edge: the other point, (2,) pixels.
        upright: direction, counted from x against the clock, that is up in the region.

    """
    x, y = (edge - center).tolist()
    angle = wrapped(upright - math.atan2(-y, x))
    return Region(float(center[0]), float(center[1]), 2 * math.hypot(x, y), angle)


def whole_image(width: int, height: int) -> Region:
    """Return the region that holds an image with bars above and below, or at its sides."""
    return Region(width / 2, height / 2, float(max(width, height)), 0.0)


def crop(
    image: np.ndarray, regions: Sequence[Region], size: int, bars: bool = False
) -> np.ndarray:
    """Cut regions out of an image.

    Args:
        image: (H, W, 3) uint8.
        regions: what to cut; it may reach beyond the image.
        size: pixels of a side of what is cut.
        bars: whether what is beyond the image is black; otherwise its edge goes on.

    Returns (N, size, size, 3) uint8.

    """
    border = cv2.BORDER_CONSTANT if bars else cv2.BORDER_REPLICATE
    cut = np.empty((len(regions), size, size, 3), np.uint8)
    for region, place in zip(regions, cut, strict=True):
        turn = rotation(region.angle) * (region.side / size)
        corner = np.array([region.x, region.y]) - turn @ [size / 2, size / 2]
        cv2.warpPerspective(  # it places pixels more precisely than warpAffine
            image,
            np.vstack([np.column_stack([turn, corner]), [0, 0, 1]]),
            (size, size),
            place,
            cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            border,
        )
    return cut
