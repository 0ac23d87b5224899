"""Drawing keypoints and actions on images, for people to look at."""

from collections.abc import Iterable

import numpy as np
from anyascii import anyascii

from bharnet_ros.layouts import DETECTOR_LAYOUTS, Layout
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import Keypoints

COLOURS = {'body': (200, 200, 200), 'left_hand': (80, 80, 240), 'right_hand': (240, 160, 60)}
MIN_VISIBILITY = 0.3


def draw_keypoints(image: np.ndarray, people: Iterable[Keypoints]) -> np.ndarray:
    """Draw skeletons into an (H, W, 3) uint8 BGR image, in place; return it.

    Examples:
        >>> from bharnet_ros import read_keypoints
        >>> from bharnet_ros.system.resources import share_dir
        >>> person = next(read_keypoints(share_dir() / 'models' / 'demo_keypoints'))
        >>> image = np.zeros((720, 1280, 3), np.uint8)
        >>> draw_keypoints(image, [person]) is image and image.any()
        True

    """
    height, width = image.shape[:2]
    thick = max(1, round(width / 480))
    for person in people:
        layout = DETECTOR_LAYOUTS[person.layout]
        for name, part in (
            ('body', layout.body),
            ('left_hand', layout.hand),
            ('right_hand', layout.hand),
        ):
            points = getattr(person, name)
            if points is not None:
                _draw_part(image, points, part, COLOURS[name], (width, height), thick)
    return image


def _draw_part(
    image: np.ndarray,
    points: np.ndarray,
    layout: Layout,
    colour: tuple[int, int, int],
    size: tuple[int, int],
    thick: int,
) -> None:
    # Far-off points of hidden limbs would overflow OpenCV's integers.
    pixels = np.clip(points[:, :2], -2, 3) * size
    shown = points[:, 3] >= MIN_VISIBILITY if points.shape[1] > 3 else np.ones(len(points), bool)
    corners = pixels.astype(int).tolist()
    for a, b in layout.edges:
        if shown[a] and shown[b]:
            cv2.line(image, corners[a], corners[b], colour, thick, cv2.LINE_AA)


def drawable(text: str) -> str:
    """Return a text in the letters that OpenCV can draw: those of ASCII.

    Other scripts are transliterated; a font with all of them would be larger than our models.
    """
    return text if text.isascii() else anyascii(text)


def draw_caption(image: np.ndarray, text: str) -> np.ndarray:
    """Write one line at the lower edge of an (H, W, 3) uint8 BGR image, in place; return it.

    What is not Latin is transliterated, see `drawable`.
    """
    text = drawable(text)
    height, width = image.shape[:2]
    scale = width / 900
    place = (int(width * 0.02), int(height * 0.95))
    for colour, extra in (((0, 0, 0), 3), ((255, 255, 255), 0)):
        cv2.putText(
            image,
            text,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            colour,
            max(1, round(2 * scale)) + extra,
            cv2.LINE_AA,
        )
    return image
