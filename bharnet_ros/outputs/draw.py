"""Drawing keypoints and what is known of people on images, for people to look at."""

from collections.abc import Iterable, Mapping

import numpy as np
from anyascii import anyascii

from bharnet_ros.layouts import DETECTOR_LAYOUTS, Layout
from bharnet_ros.outputs.notes import Note
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import Keypoints

COLOURS = {'body': (200, 200, 200), 'left_hand': (80, 80, 240), 'right_hand': (240, 160, 60)}
WHITE, GREY, GREEN, AMBER = (255, 255, 255), (150, 150, 150), (110, 200, 90), (60, 190, 250)
MIN_VISIBILITY = 0.5
FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALLEST = 11  # pixels; letters below it cannot be read
SHADE = 0.35  # of the picture that shows through what is written on
LONGEST = 40  # characters of a line


def draw_keypoints(image: np.ndarray, people: Iterable[Keypoints]) -> np.ndarray:
    """Draw skeletons into an (H, W, 3) uint8 BGR image, in place; return it.

    Joints that are hidden, or outside the image, are left out.

    Examples:
        >>> from bharnet_ros import read_keypoints
        >>> from bharnet_ros.system.resources import share_dir
        >>> person = next(read_keypoints(share_dir() / 'models' / 'demo_keypoints'))
        >>> image = np.zeros((720, 1280, 3), np.uint8)
        >>> draw_keypoints(image, [person]) is image and image.any()
        True

    """
    height, width = image.shape[:2]
    thick = max(1, round(max(height, width) / 480))
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
    shown = _is_shown(points)
    # Far-off points would overflow OpenCV's integers.
    corners = (np.clip(points[:, :2], -2, 3) * size).astype(int).tolist()
    for a, b in layout.edges:
        if shown[a] and shown[b]:
            cv2.line(image, corners[a], corners[b], colour, thick, cv2.LINE_AA)


def _is_shown(points: np.ndarray) -> np.ndarray:
    """Return (V,) bool: which joints are seen, and inside the image."""
    inside = ((points[:, :2] >= 0) & (points[:, :2] <= 1)).all(axis=1)
    return inside & (points[:, 3] >= MIN_VISIBILITY) if points.shape[1] > 3 else inside


def drawable(text: str) -> str:
    """Return a text in the letters that OpenCV can draw: those of ASCII.

    Other scripts are transliterated; a font with all of them would be larger than our models.
    """
    return text if text.isascii() else anyascii(text)


def draw_notes(
    image: np.ndarray,
    people: Iterable[Keypoints],
    notes: Mapping[str, Note],
    latency: float | None = None,
) -> np.ndarray:
    """Write on an (H, W, 3) uint8 BGR image who does what, in place; return it.

    Beside each person: the id, the action, a bar of its confidence, and a thin one that says how
    full the window is. What is not Latin is transliterated, see `drawable`.

    Args:
        image: to write on.
        people: who is in it; others are not spoken of.
        notes: what is known of them, by person id.
        latency: written in the corner, seconds.

    """
    letter = max(SMALLEST, round(min(image.shape[:2]) / 32))
    taken: list[tuple[int, int, int, int]] = []
    if latency is not None:
        text = f'{latency * 1e3:.0f} ms'
        width = _width(text, letter)
        taken.append(_write(image, [(text, WHITE)], (image.shape[1] - width, 0), letter, taken))
    for person in people:
        if person.body is None:
            continue
        note = notes.get(person.person_id, Note())
        words = [(drawable(person.person_id)[:LONGEST], GREY)]
        if note.label:
            words.append((drawable(note.label)[:LONGEST], WHITE))
        if note.confidence is not None:
            words.append((f'{note.confidence:.0%}', WHITE))
        bars = [(note.confidence, GREEN), (note.fill, AMBER)]
        taken.append(_write(image, words, _corner(person, image, letter), letter, taken, bars))
    return image


def _corner(person: Keypoints, image: np.ndarray, letter: int) -> tuple[int, int]:
    """Return where what is written of somebody begins, pixels: above the head where it fits."""
    assert person.body is not None
    seen = person.body[_is_shown(person.body), :2]
    height, width = image.shape[:2]
    if not len(seen):
        return 0, height
    left, top = seen.min(axis=0) * (width, height)
    return int(left), int(top) - 3 * letter


def _width(text: str, letter: int) -> int:
    """Return how wide a line and its margins are, pixels."""
    scale, thick = _font(letter)
    return cv2.getTextSize(text, FONT, scale, thick)[0][0] + letter


def _font(letter: int) -> tuple[float, int]:
    thick = max(1, round(letter / 9))
    return cv2.getFontScaleFromHeight(FONT, letter, thick), thick


def _write(
    image: np.ndarray,
    words: list[tuple[str, tuple[int, int, int]]],
    corner: tuple[int, int],
    letter: int,
    taken: list[tuple[int, int, int, int]],
    bars: Iterable[tuple[float | None, tuple[int, int, int]]] = (),
) -> tuple[int, int, int, int]:
    """Write one line and bars below it inside the image, beside what is taken; return its box."""
    scale, thick = _font(letter)
    high, wide = image.shape[:2]
    width = min(_width(' '.join(text for text, _ in words), letter), wide)
    drawn = [(share, colour) for share, colour in bars if share is not None]
    height = 2 * letter + len(drawn) * (letter // 2)
    x = min(max(corner[0], 0), wide - width)
    y = min(max(corner[1], 0), max(high - height, 0))
    while any(_overlap((x, y, width, height), box) for box in taken) and y + height < high:
        y += letter
    box = image[y : y + height, x : x + width]
    box[:] = (box * SHADE).astype(np.uint8)
    place = x + letter // 2
    for text, colour in words:
        cv2.putText(
            image, text, (place, y + round(1.5 * letter)), FONT, scale, colour, thick, cv2.LINE_AA
        )
        place += cv2.getTextSize(f'{text} ', FONT, scale, thick)[0][0]
    for row, (share, colour) in enumerate(drawn):
        top = y + 2 * letter + row * (letter // 2)
        full = width - letter
        left, bottom = x + letter // 2, top + max(letter // 4, 2)
        cv2.rectangle(image, (left, top), (left + full, bottom), GREY, 1)
        length = round(min(max(share, 0.0), 1.0) * full)
        cv2.rectangle(image, (left, top), (left + length, bottom), colour, -1)
    return x, y, width, height


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]
