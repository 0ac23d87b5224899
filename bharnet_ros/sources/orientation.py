"""Turning images the way they are meant to be seen."""

import struct

import numpy as np

from bharnet_ros.system.opencv import cv2

_CODES = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


def turn(image: np.ndarray, degrees: int) -> np.ndarray:
    """Return an (H, W, 3) image turned clockwise by 0, 90, 180 or 270 degrees."""
    return cv2.rotate(image, _CODES[degrees]) if degrees else image


def apply_display_matrix(image: np.ndarray, matrix: bytes) -> np.ndarray:
    """Return an (H, W, 3) image as the display matrix of its video says, mirroring included.

    The matrix is FFmpeg's: 3 x 3 native int32, which maps a point (x, y) of the stored image to
    (a x + c y, b x + d y), both with y down. Angles between are taken for the nearest quarter.
    """
    a, b, _, c, d = struct.unpack_from('=5i', matrix)
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, across, down = cv2.transpose(image), c, b
    else:
        across, down = a, d
    if across < 0 and down < 0:
        return cv2.flip(image, -1)
    if across < 0:
        return cv2.flip(image, 1)
    return cv2.flip(image, 0) if down < 0 else image
