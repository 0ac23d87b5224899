"""From a take to the windows that a robot would see of it, and some that it might."""

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.recognition.window import resample
from bharnet_ros.teaching.takes import Take
from bharnet_ros.types import PARTS, SECOND, Clip

# Pieces of the moving part of a take, as shares of it: whole, and cut a little in time.
PIECES = ((0.0, 1.0), (0.1, 0.9), (0.0, 0.75), (0.25, 1.0))
ENDS = (0.6, 0.8, 1.0)  # shares of the moving part at which a window of the robot may end
MAX_GAP = 0.5  # seconds that are bridged, as by the robot
LEAST_REST = 0.25  # seconds of rest that are looked at


def cut(take: Take, start: float, stop: float, steps: int) -> Clip:
    """Return the window of a take from `start` to `stop`, seconds after its first frame.

    What lies outside the take is missing.
    """
    times = (take.stamps - take.stamps[0]) / SECOND
    at = np.linspace(start, stop, steps)
    mask = np.zeros((steps, len(PARTS)), np.float32)
    sampled = {}
    for part, name in enumerate(PARTS):
        sampled[name], mask[:, part] = resample(
            times, getattr(take, name), take.mask[:, part], at, MAX_GAP
        )
    return Clip(**sampled, mask=mask, aspect=take.aspect)


def windows_of(take: Take, contract: Contract) -> list[Clip]:
    """Return the windows by which a take is learned.

    The moving part as a whole and in pieces, stretched to the window as in training; and windows
    of the model's own length that end within it, as the robot will see them.
    """
    first = take.stamps[0]
    start, stop = ((stamp - first) / SECOND for stamp in (take.start, take.stop))
    length, steps = stop - start, contract.window_steps
    spans = [(start + a * length, start + b * length) for a, b in PIECES]
    ends = [start + share * length for share in ENDS]
    spans += [(end - contract.window_seconds, end) for end in ends]
    return [cut(take, a, b, steps) for a, b in spans]


def rest_of(take: Take, contract: Contract) -> list[Clip]:
    """Return how the person rests before and after the showing; nothing where nothing is kept."""
    first = take.stamps[0]
    spans = ((first, take.start), (take.stop, take.stamps[-1]))
    return [
        cut(take, (a - first) / SECOND, (b - first) / SECOND, contract.window_steps)
        for a, b in spans
        if b - a >= LEAST_REST * SECOND
    ]
