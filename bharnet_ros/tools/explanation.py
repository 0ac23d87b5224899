"""The picture of what carried a decision."""

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.occlusion import Explanation
from bharnet_ros.outputs.draw import FONT, GREEN, GREY, WHITE, drawable
from bharnet_ros.outputs.strips import SIDE, draw_strip
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import NOBODY, SECOND, Clip, Keypoints

LINE, ROOM = 26, 130  # pixels: of a line of text, and of the bars below the skeletons
NAMES = 240  # pixels for names beside bars
MOST = 10  # bars


def draw_explanation(found: Explanation, clip: Clip, contract: Contract) -> np.ndarray:
    """Return an (H, W, 3) uint8 BGR picture: skeletons, what each moment and each part is worth.

    A bar shows how much of the probability is lost when what it stands for is taken away.
    """
    frames = frames_of(clip, contract)
    strip = draw_strip(frames)
    width = strip.shape[1]
    losses = list(found.losses.items())[:MOST]
    image = np.zeros((LINE * 2 + SIDE + ROOM + LINE * (len(losses) + 1), width, 3), np.uint8)
    title = f'{drawable(found.label)} {found.probability:.0%}, {contract.window_seconds:g} s'
    _write(image, title, (8, LINE - 8), WHITE)
    top = LINE * 2
    moments = np.clip(found.probability - found.steps, 0, 1)
    most = max(float(moments.max()), 1e-6)
    _write(image, f'lost without each moment, {most:.1%} at most', (8, top - 8), GREY)
    image[top : top + SIDE] = strip
    floor = top + SIDE + ROOM - 10
    for step, value in enumerate(moments / most):
        high = round(value * (ROOM - 20))
        cv2.rectangle(
            image, (step * SIDE + 20, floor - high), (step * SIDE + SIDE - 20, floor), GREEN, -1
        )
    for row, (name, value) in enumerate(losses):
        y = top + SIDE + ROOM + row * LINE
        _write(image, name.replace('_', ' '), (8, y + LINE - 8), WHITE)
        long = round(np.clip(value, 0, 1) * (width - NAMES - 80))
        cv2.rectangle(image, (NAMES, y + 6), (NAMES + max(long, 1), y + LINE - 4), GREEN, -1)
        _write(image, f'{-value:+.0%}', (NAMES + long + 8, y + LINE - 8), GREY)
    return image


def frames_of(clip: Clip, contract: Contract) -> list[Keypoints]:
    """Return the steps of a window as frames of a picture of its shape."""
    width = 1000
    period = contract.window_seconds * SECOND / max(len(clip.mask) - 1, 1)
    frames = []
    for step, (body, left, right) in enumerate(clip.mask > 0):
        frames.append(
            Keypoints(
                round(step * period),
                width,
                round(width * clip.aspect),
                person_id='one' if body else NOBODY,
                body=clip.body[step] if body else None,
                left_hand=clip.left_hand[step] if body and left else None,
                right_hand=clip.right_hand[step] if body and right else None,
                layout=contract.layout,
            )
        )
    return frames


def _write(image: np.ndarray, text: str, place: tuple[int, int], colour: tuple) -> None:
    cv2.putText(image, text, place, FONT, 0.5, colour, 1, cv2.LINE_AA)
