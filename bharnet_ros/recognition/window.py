"""The sliding window of one person: timestamped keypoints in, a fixed number of steps out."""

from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.layouts import BodyHandLayout
from bharnet_ros.recognition.crops import pick_frames
from bharnet_ros.types import (
    BODY_CHANNELS,
    HAND_CHANNELS,
    PARTS,
    SECOND,
    Clip,
    CropShape,
    Keypoints,
)


@dataclass(frozen=True)
class Places:
    """Where each of T times lies among the samples of a track."""

    before: np.ndarray  # (T,) int, sample at or before the time
    after: np.ndarray  # (T,) int, sample at or after it
    weight: np.ndarray  # (T,) float, 0 at `before` to 1 at `after`
    inside: np.ndarray  # (T,) bool, false where no value may be made of the two

    def sample(self, values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (T, ...) float32 values, zero where missing, and (T,) bool; see `resample`."""
        before, after = valid[self.before], valid[self.after]
        # One sample decides where the other is missing: both are then the nearer one.
        nearer = np.where(self.weight < 0.5, self.before, self.after)
        both = before & after
        ok = self.inside & (both | valid[nearer])
        # Nothing is computed where it is missing: a missing sample may hold NaN.
        first = values[np.where(both, self.before, nearer)[ok]]
        second = values[np.where(both, self.after, nearer)[ok]]
        weight = self.weight[ok].reshape(-1, *([1] * (values.ndim - 1)))
        sampled = np.zeros((len(ok), *values.shape[1:]), np.float32)
        sampled[ok] = first + weight * (second - first)
        return sampled, ok


def places(times: np.ndarray, at: np.ndarray, max_gap: float) -> Places:
    """Find times among those of a track's samples; see `resample`."""
    after = np.clip(np.searchsorted(times, at, side='left'), 0, len(times) - 1)
    before = np.where(times[after] <= at, after, np.clip(after - 1, 0, None))
    span = np.asarray(times[after] - times[before], np.float64)
    weight = np.where(span > 0, (at - times[before]) / np.where(span > 0, span, 1.0), 0.0)
    return Places(before, after, weight, (at >= times[0]) & (at <= times[-1]) & (span <= max_gap))


def resample(
    times: np.ndarray, values: np.ndarray, valid: np.ndarray, at: np.ndarray, max_gap: float
) -> tuple[np.ndarray, np.ndarray]:
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
    return places(times, at, max_gap).sample(values, valid)


class SlidingWindow:
    """The last `seconds` of one person's keypoints in a preallocated ring.

    `push` copies a frame in; `clip` resamples the window to the model's rate. A stamp that does
    not increase is refused and a hole longer than `max_gap` empties the window, because frames
    from before it say nothing about the motion after it.
    """

    def __init__(
        self,
        layout: BodyHandLayout,
        seconds: float,
        steps: int,
        max_gap: float,
        capacity: int = 512,
        crops: CropShape | None = None,
    ):
        """Args: seconds, steps and crops as the model was trained; max_gap in seconds."""
        self.seconds, self.steps, self.max_gap = seconds, steps, max_gap
        body, hand = len(layout.body), len(layout.hand)
        self._at = np.linspace(-seconds, 0.0, steps)  # of a clip, seconds before the newest frame
        self._stamps = np.zeros(capacity, np.int64)
        self._valid = np.zeros((capacity, len(PARTS)), bool)
        self._points = {
            'body': np.zeros((capacity, body, BODY_CHANNELS), np.float32),
            'left_hand': np.zeros((capacity, hand, HAND_CHANNELS), np.float32),
            'right_hand': np.zeros((capacity, hand, HAND_CHANNELS), np.float32),
        }
        self._crop_shape = crops
        # References: a picture is not copied, and most are never looked at.
        self._crops: list[np.ndarray | None] = [None] * (capacity if crops else 0)
        self._aspect = 1.0
        self._end = 0  # frames pushed since the last reset

    def reset(self) -> None:
        """Forget everything."""
        self._end = 0

    @property
    def last_stamp(self) -> int | None:
        """Stamp of the newest frame, nanoseconds; None when empty."""
        return self._newest() if self._end else None

    def _newest(self) -> int:
        return int(self._stamps[(self._end - 1) % len(self._stamps)])

    @property
    def first_stamp(self) -> int:
        """Stamp of the oldest frame inside the window, nanoseconds. ValueError when empty."""
        if self._end == 0:
            raise ValueError('the window is empty')
        slots = self._recent()
        start = self._newest() - int(self.seconds * SECOND)
        return int(next(stamp for stamp in self._stamps[slots] if stamp >= start))

    def push(self, frame: Keypoints) -> bool:
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
        if self._crop_shape is not None:
            self._crops[slot] = frame.crops
        self._aspect = frame.aspect
        self._end += 1
        return True

    def _recent(self) -> np.ndarray:
        """Ring slots inside the window plus the one before it, oldest first."""
        count = min(self._end, len(self._stamps))
        slots = np.arange(self._end - count, self._end) % len(self._stamps)
        start = self._newest() - int(self.seconds * SECOND)
        first = int(np.searchsorted(self._stamps[slots], start, side='right')) - 1
        return slots[max(first, 0) :]

    @property
    def filled(self) -> float:
        """Share of the window's length that the frames span, 0 to 1."""
        if self._end == 0:
            return 0.0
        slots = self._recent()
        span = (self._stamps[slots[-1]] - self._stamps[slots[0]]) / SECOND
        return float(min(1.0, span / self.seconds))

    @property
    def rate(self) -> float:
        """Frames a second inside the window, Hz; 0 if it holds less than two."""
        if self._end == 0:
            return 0.0
        stamps = self._stamps[self._recent()]
        span = (stamps[-1] - stamps[0]) / SECOND
        return float((len(stamps) - 1) / span) if span > 0 else 0.0

    def clip(self) -> Clip:
        """Return the window that ends at the newest frame, at `steps` equally spaced times.

        Steps before the first frame are missing (mask 0). ValueError when empty.
        """
        if self._end == 0:
            raise ValueError('the window is empty')
        slots = self._recent()
        # Seconds before the newest frame: exact in float64 whatever the epoch of the stamps.
        times = (self._stamps[slots] - self._newest()) / SECOND
        found = places(times, self._at, self.max_gap)
        # Places in the ring itself, so that only what is sampled is copied out of it.
        found = replace(found, before=slots[found.before], after=slots[found.after])
        mask = np.zeros((self.steps, len(PARTS)), np.float32)
        sampled = {}
        for part, name in enumerate(PARTS):
            sampled[name], mask[:, part] = found.sample(self._points[name], self._valid[:, part])
        crops = (
            None if self._crop_shape is None else self._pictures(self._crop_shape, slots, times)
        )
        return Clip(**sampled, mask=mask, aspect=self._aspect, crops=crops)

    def _pictures(self, shape: CropShape, slots: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return (K, R, S, S, 3) uint8, black where there is no frame; see `pick_frames`."""
        seen = np.array([self._crops[slot] is not None for slot in slots])
        chosen = pick_frames(times, seen, -self.seconds, 0.0, shape.frames, self.max_gap)
        pictures = np.zeros((shape.frames, *shape.shape), np.uint8)
        for place, frame in enumerate(chosen):
            if frame >= 0:
                pictures[place] = self._crops[slots[frame]]
        return pictures
