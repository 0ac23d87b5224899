"""What nobody wrote down: the shape of a picture, from palms; frames a second, from rhythm.

docs/training.md tells the method. Both answer None rather than guess.
"""

from collections.abc import Iterable
from itertools import combinations

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_HAND

# A palm is nearly rigid: the roots of thumb side, fingers and wrist keep their distances.
PALM = [
    MEDIAPIPE_HAND.index(name) for name in ('wrist', 'index_1', 'middle_1', 'ring_1', 'pinky_1')
]
ASPECTS = (0.5625, 0.75, 4 / 3, 16 / 9)  # image height over width of usual cameras
ENOUGH_HANDS = 200  # frames with a hand
MOST_HANDS = 3000  # more tell nothing new
CLEARLY = 0.95  # the best ratio varies at most this much of the next best
RHYTHM = 1.4  # times a second that people repeat a small movement of the hand
CYCLES = (0.06, 0.25)  # a frame: slower is one stroke, faster cannot be told from noise
STEADY = 0.5  # autocorrelation of a movement that repeats
SMALL = 0.15  # of the hand's own size: less movement is none
PERIODS = 2.5  # that a clip must show: a slow swing is no rhythm
ENOUGH_RHYTHMS = (8, 0.05)  # clips of a recording with a rhythm, and their share
RATES = (5.0, 30.0)  # frames a second that cameras and detectors have


def palm_variation(hands: np.ndarray, aspect: float) -> float:
    """Return how much the shape of a palm varies over frames, if this is the picture's shape.

    Args:
        hands: (F, 21, 3), x and y in widths and heights of the image, z in widths.
        aspect: image height over width.

    """
    palm = np.asarray(hands, np.float32)[:, PALM] * [1.0, aspect, 1.0]
    pairs = np.array(list(combinations(range(len(PALM)), 2)))
    sides = np.linalg.norm(palm[:, pairs[:, 0]] - palm[:, pairs[:, 1]], axis=-1)
    sides /= np.sqrt((sides**2).mean(1, keepdims=True)) + 1e-9
    usual = np.median(sides, 0)
    return float(np.sqrt(((sides / usual - 1) ** 2).mean()))


def estimate_aspect(hands: np.ndarray) -> float | None:
    """Return the usual ratio at which palms vary least; None if the palms do not tell.

    The lowest ratio is never told. MediaPipe's depth of a hand is too small, a palm seen from
    its edge is too narrow, and a flatter picture hides that: ten of eleven videos of known 3:4
    vary least below 3:4 (docs/training.md). A higher answer stands against this leaning.

    Args:
        hands: (F, 21, 3) of one recording, frames without a hand left out.

    """
    if len(hands) < ENOUGH_HANDS:
        return None
    hands = hands[np.random.default_rng(0).permutation(len(hands))[:MOST_HANDS]]
    found = sorted((palm_variation(hands, aspect), aspect) for aspect in ASPECTS)
    (least, best), (next_least, _) = found[:2]
    return best if best > min(ASPECTS) and least < CLEARLY * next_least else None


def cycles_per_frame(path: np.ndarray) -> float | None:
    """Return how often a movement repeats in one frame; None if it does not.

    Args:
        path: (F, D) where a hand is, in sizes of that hand.

    """
    frames = len(path)
    if frames < 12:
        return None
    time = np.linspace(-1, 1, frames)
    rest = path - np.stack([np.polyval(np.polyfit(time, p, 3), time) for p in path.T], -1)
    if np.sqrt((rest**2).sum(1).mean()) < SMALL:
        return None
    power = (rest**2).sum() / frames
    lags = np.arange(max(int(1 / CYCLES[1]), 2), min(int(1 / CYCLES[0]), frames // 2) + 1)
    likeness = np.array([(rest[k:] * rest[:-k]).sum() / (frames - k) / power for k in lags])
    best = int(likeness.argmax())
    if likeness[best] < STEADY or best == 0 or lags[best] * PERIODS > frames:
        return None
    return 1.0 / float(lags[best])


def estimate_rate(paths: Iterable[np.ndarray]) -> float | None:
    """Return frames a second of a recording; None if too few of its clips have a rhythm.

    It is right to about a third, as far as people differ.

    Args:
        paths: where the moving hand is in each clip, (F, D) in sizes of that hand.

    """
    asked = [cycles_per_frame(path) for path in paths]
    found = [cycles for cycles in asked if cycles is not None]
    if len(found) < max(ENOUGH_RHYTHMS[0], ENOUGH_RHYTHMS[1] * len(asked)):
        return None
    return float(np.clip(RHYTHM / np.median(found), *RATES).round(1))


def hand_path(left: np.ndarray, right: np.ndarray, aspect: float) -> np.ndarray:
    """Return where the hand that moves more is in each frame, (F, 2) in sizes of that hand.

    Args:
        left: (F, 21, 3), zeros where it was not found.
        right: the same.
        aspect: image height over width.

    """
    best = np.zeros((0, 2))
    for hand in (left, right):
        seen = hand.any((1, 2))
        if seen.mean() < 0.8:
            continue
        points = np.asarray(hand[..., :2], np.float32) * [1.0, aspect]
        size = (
            np.median(np.linalg.norm(points[seen, PALM[2]] - points[seen, PALM[0]], axis=-1))
            + 1e-6
        )
        frames = np.arange(len(hand))
        path = np.stack(
            [np.interp(frames, frames[seen], points[seen].mean(1)[:, k]) for k in (0, 1)], -1
        )
        path = (path - path.mean(0)) / size
        if not len(best) or path.std() > best.std():
            best = path
    return best
