"""The sliding window of one person: timestamped keypoints in, a fixed number of steps out."""

from dataclasses import dataclass

import numpy as np

from bharnet_ros.keypoints import BODY_CHANNELS, HAND_CHANNELS, FrameKeypoints
from bharnet_ros.layouts import BodyHandLayout

PARTS = ('body', 'left_hand', 'right_hand')
SECOND = 1_000_000_000  # nanoseconds


@dataclass(frozen=True)
class Clip:
    """T time steps of one person: the raw input of a model, before any preprocessing.

    Entries of a part that is missing at a step are zero there, with mask 0.
    """

    body: np.ndarray  # (T, V_body, 4) float32
    left_hand: np.ndarray  # (T, V_hand, 3) float32
    right_hand: np.ndarray  # (T, V_hand, 3) float32
    mask: np.ndarray  # (T, 3) float32, 1 where body, left hand, right hand were seen
    aspect: float  # image height / width


def resample(times: np.ndarray, values: np.ndarray, valid: np.ndarray, at: np.ndarray,
             max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Sample a track with missing entries at other times.

    Between two valid neighbours it interpolates linearly. Where only one of them is valid the
    nearer one decides: its value, or missing. Neighbours further apart than `max_gap`, and times
    before the first or after the last sample, give missing: nothing is invented.

    Args:
        times: (N,) increasing, N >= 1, any unit.
        values: (N, ...) float; an entry that is not valid may hold anything.
        valid: (N,) bool.
        at: (T,) times in the unit of `times`.
        max_gap: in the unit of `times`.

    Returns:
        (T, ...) float32 values, zero where missing, and (T,) bool.

    """
    after = np.clip(np.searchsorted(times, at, side='left'), 0, len(times) - 1)
    before = np.where(times[after] <= at, after, np.clip(after - 1, 0, None))
    span = np.asarray(times[after] - times[before], np.float64)
    weight = np.where(span > 0, (at - times[before]) / np.where(span > 0, span, 1.0), 0.0)
    both = valid[before] & valid[after]
    nearer = np.where(weight < 0.5, before, after)
    inside = (at >= times[0]) & (at <= times[-1]) & (span <= max_gap)
    ok = inside & (both | valid[nearer])

    shape = (-1, *([1] * (values.ndim - 1)))
    # Not (1 - w) * a + w * b throughout: a missing sample may hold NaN, and 0 * NaN is NaN.
    first = np.where(both.reshape(shape), values[before], values[nearer])
    second = np.where(both.reshape(shape), values[after], values[nearer])
    sampled = first + weight.reshape(shape) * (second - first)
    return np.where(ok.reshape(shape), sampled, 0).astype(np.float32), ok


class SlidingWindow:
    """The last `seconds` of one person's keypoints in a preallocated ring.

    `push` copies a frame in; `clip` resamples the window to the model's rate. A stamp that does
    not increase is refused and a hole longer than `max_gap` empties the window, because frames
    from before it say nothing about the motion after it.
    """

    def __init__(self, layout: BodyHandLayout, seconds: float, steps: int, max_gap: float,
                 capacity: int = 512):
        """Args: seconds and steps as the model was trained; max_gap in seconds."""
        self.seconds, self.steps, self.max_gap = seconds, steps, max_gap
        body, hand = len(layout.body), len(layout.hand)
        self._stamps = np.zeros(capacity, np.int64)
        self._valid = np.zeros((capacity, len(PARTS)), bool)
        self._points = {
            'body': np.zeros((capacity, body, BODY_CHANNELS), np.float32),
            'left_hand': np.zeros((capacity, hand, HAND_CHANNELS), np.float32),
            'right_hand': np.zeros((capacity, hand, HAND_CHANNELS), np.float32),
        }
        self._aspect = 1.0
        self._end = 0  # frames pushed since the last reset

    def reset(self) -> None:
        """Forget everything."""
        self._end = 0

    @property
    def last_stamp(self) -> int | None:
        """Stamp of the newest frame, nanoseconds; None when empty."""
        return int(self._stamps[(self._end - 1) % len(self._stamps)]) if self._end else None

    @property
    def first_stamp(self) -> int:
        """Stamp of the oldest frame inside the window, nanoseconds. ValueError when empty."""
        if self._end == 0:
            raise ValueError('the window is empty')
        slots = self._recent()
        start = self.last_stamp - int(self.seconds * SECOND)
        return int(next(stamp for stamp in self._stamps[slots] if stamp >= start))

    def push(self, frame: FrameKeypoints) -> bool:
        """Add a frame (already checked); False if its stamp is not newer than the last one."""
        last = self.last_stamp
        if last is not None:
            if frame.stamp <= last:
                return False
            if frame.stamp - last > self.max_gap * SECOND or frame.aspect != self._aspect:
                self.reset()
        slot = self._end % len(self._stamps)
        self._stamps[slot] = frame.stamp
        for part, name in enumerate(PARTS):
            points = getattr(frame, name)
            self._valid[slot, part] = points is not None
            self._points[name][slot] = 0 if points is None else points
        self._aspect = frame.aspect
        self._end += 1
        return True

    def _recent(self) -> np.ndarray:
        """Ring slots inside the window plus the one before it, oldest first."""
        count = min(self._end, len(self._stamps))
        slots = np.arange(self._end - count, self._end) % len(self._stamps)
        first = np.searchsorted(self._stamps[slots],
                                self.last_stamp - int(self.seconds * SECOND), side='right') - 1
        return slots[max(first, 0):]

    @property
    def filled(self) -> float:
        """Share of the window's length that the frames span, 0 to 1."""
        if self._end == 0:
            return 0.0
        slots = self._recent()
        span = (self._stamps[slots[-1]] - self._stamps[slots[0]]) / SECOND
        return float(min(1.0, span / self.seconds))

    def clip(self) -> Clip:
        """Return the window that ends at the newest frame, at `steps` equally spaced times.

        Steps before the first frame are missing (mask 0). ValueError when empty.
        """
        if self._end == 0:
            raise ValueError('the window is empty')
        slots = self._recent()
        # Seconds before the newest frame: exact in float64 whatever the epoch of the stamps.
        times = (self._stamps[slots] - self.last_stamp) / SECOND
        at = np.linspace(-self.seconds, 0.0, self.steps)
        mask = np.zeros((self.steps, len(PARTS)), np.float32)
        sampled = {}
        for part, name in enumerate(PARTS):
            sampled[name], ok = resample(times, self._points[name][slots],
                                         self._valid[slots, part], at, self.max_gap)
            mask[:, part] = ok
        return Clip(**sampled, mask=mask, aspect=self._aspect)
