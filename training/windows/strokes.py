"""The stroke of a gesture whose label also covers the way there and back."""

from collections.abc import Sequence

import numpy as np

from ..datasets.segments import Segment

UP, DOWN, HELD = WAYS = ('up', 'down', 'held')
LOW, HALF, HIGH = 0.15, 0.5, 0.9  # shares of a rise: it has begun, is half done, and is done
MORE = 2  # frames that belong to a stroke beyond these shares, on the side of its end


def only_strokes(
    segments: Sequence[Segment], stamps: np.ndarray, heights: np.ndarray, ways: dict[str, str]
) -> list[Segment]:
    """Cut segments down to their strokes; what is cut off is not labelled.

    Args:
        segments: of one stream.
        stamps: of its frames, (F,).
        heights: of the higher wrist, (F,), any unit, larger is higher.
        ways: for each label that is cut down, whether its stroke is the way up, the way down, or
            the time in which the wrist is up.

    """
    found = []
    for segment in segments:
        first, last = np.searchsorted(stamps, [segment.start, segment.stop])
        if segment.label in ways and last - first > 2 * MORE:
            begin, end = _stroke(heights[first:last], ways[segment.label])
            stop = segment.stop if first + end >= last else int(stamps[first + end])
            segment = Segment(segment.label, int(stamps[first + begin]), stop)
        found.append(segment)
    return found


def _stroke(height: np.ndarray, way: str) -> tuple[int, int]:
    """Return the first frame of a stroke and the one after its last, among (F,) heights."""
    low, high = height.min(), height.max()
    share = (height - low) / max(high - low, 1e-9)
    if way == HELD:
        up = np.flatnonzero(share >= HALF)
        return int(up[0]), int(up[-1]) + 1
    if way == DOWN:
        end = len(share) - _stroke(height[::-1], UP)[0]
        begin = int(np.flatnonzero(share >= HIGH)[-1])
        return max(begin - MORE, 0), min(end + MORE, len(share))
    top = int(np.flatnonzero(share >= HIGH)[0])
    below = np.flatnonzero(share[: top + 1] <= share[0] + LOW * (1 - share[0]))
    return int(below[-1]) if len(below) else 0, min(top + 1 + MORE, len(share))
