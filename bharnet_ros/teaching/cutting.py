"""Cutting takes out of a stream: from rest to rest, without a button."""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.teaching.takes import Take
from bharnet_ros.types import NOBODY, SECOND, Keypoints

ARMS = [
    MEDIAPIPE_POSE.index(f'{side}_{joint}')
    for joint in ('elbow', 'wrist')
    for side in ('left', 'right')
]
SHOULDERS = [MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right')]
AWAY = 0.35  # shoulder widths that an arm leaves its rest by when a take begins
STILL = 0.12  # shoulder widths that arms move within while somebody is at rest
REST = 0.4  # seconds of that
BACK = 0.3  # seconds near rest that end a take
FROZEN = 1.5  # seconds of stillness elsewhere that end it, too: that is the new rest
MARGIN = 1.0  # seconds kept before and after the showing
SHORTEST, LONGEST = 0.3, 8.0  # seconds of a showing
LOST = 0.7  # seconds out of sight that make all begin anew
HIGH = 0.2  # shoulder widths by which wrists are above elbows where nobody rests
BRIEF = 4.0  # seconds of a recording that is taken to show an action once


class Step(Enum):
    """Where a cutter is; the values are what to tell the person."""

    SETTLE = 'stand at rest'
    READY = 'show it now'
    SHOWING = 'showing'


class Cutter:
    """Takes one person's frames in order; gives a take each time the arms came back to rest.

    Rest is how the arms are held before: hanging, on a table, or out of the picture.
    """

    def __init__(self) -> None:
        self.step = Step.SETTLE
        self._frames: deque[Keypoints] = deque()
        self._arms: deque[tuple[int, np.ndarray]] = deque()  # the last FROZEN seconds
        self._rest: np.ndarray | None = None
        self._start = 0  # of the showing
        self._back: int | None = None  # since when the arms are near rest again
        self._seen = 0
        self._person = NOBODY

    def push(self, frame: Keypoints) -> Take | None:
        """Take the next frame of the person, or one of nobody; return a take that ended."""
        if self._frames and frame.stamp <= self._frames[-1].stamp:
            return None
        if frame.person_id != NOBODY:
            if self._person not in (NOBODY, frame.person_id):
                self._begin_anew()  # somebody else: the arms of two people are no movement
            self._person = frame.person_id
        arms = arms_of(frame)
        if arms is None:
            if self.step is not Step.SHOWING or frame.stamp - self._seen > LOST * SECOND:
                self._begin_anew()
            else:
                self._frames.append(frame)
            return None
        self._seen = frame.stamp
        self._frames.append(frame)
        self._arms.append((frame.stamp, arms))
        while self._arms[0][0] < frame.stamp - FROZEN * SECOND:
            self._arms.popleft()
        if self.step is Step.SHOWING:
            return self._show(frame, arms)
        while self._frames[0].stamp < frame.stamp - MARGIN * SECOND:
            self._frames.popleft()
        if self._rest is None:
            still = self._still(REST)
            # Somebody may hold a sign still, but not as long as this.
            self._rest = still if still is None or is_low(still) else self._still(FROZEN)
            self.step = Step.READY if self._rest is not None else Step.SETTLE
        elif distance(arms, self._rest) > AWAY:
            self.step, self._start, self._back = Step.SHOWING, self._left(), None
        return None

    def finish(self) -> Take | None:
        """Return what is being shown when the stream ends, if it is long enough."""
        showing = self.step is Step.SHOWING
        take = self._take(self._frames[-1].stamp) if showing and self._frames else None
        self._begin_anew()
        return take

    def _begin_anew(self) -> None:
        self.step, self._rest, self._back = Step.SETTLE, None, None
        self._frames.clear()
        self._arms.clear()

    def _show(self, frame: Keypoints, arms: np.ndarray) -> Take | None:
        assert self._rest is not None
        if frame.stamp - self._start > LONGEST * SECOND:
            self._begin_anew()
            return None
        if distance(arms, self._rest) < AWAY:
            self._back = frame.stamp if self._back is None else self._back
            if frame.stamp - self._back >= BACK * SECOND:
                self.step = Step.READY
                return self._take(self._back)
            return None
        self._back = None
        if self._still(FROZEN) is not None:
            self.step, self._rest = Step.SETTLE, None
            return self._take(frame.stamp - int(FROZEN * SECOND))
        return None

    def _take(self, stop: int) -> Take | None:
        if stop - self._start < SHORTEST * SECOND:
            return None
        return Take.of(list(self._frames), max(self._start, self._frames[0].stamp), stop)

    def _left(self) -> int:
        """Return when the arms last were at rest, at most half a second ago."""
        assert self._rest is not None
        now = self._arms[-1][0]
        for stamp, arms in reversed(self._arms):
            if distance(arms, self._rest) < STILL or now - stamp > SECOND // 2:
                return stamp
        return self._arms[0][0]

    def _still(self, seconds: float) -> np.ndarray | None:
        """Return where the arms were for the last `seconds`, None if they moved."""
        now = self._arms[-1][0]
        recent = [arms for stamp, arms in self._arms if stamp >= now - seconds * SECOND]
        spans = now - self._arms[0][0] >= 0.9 * seconds * SECOND
        if not spans or len(recent) < 3:
            return None
        middle = np.median(recent, axis=0)
        return middle if max(distance(arms, middle) for arms in recent) < STILL else None


def arms_of(frame: Keypoints) -> np.ndarray | None:
    """Return elbows and wrists from the middle of the shoulders, (4, 2) in shoulder widths."""
    if frame.body is None:
        return None
    points = frame.body[:, :2] * np.array([1.0, frame.aspect])
    left, right = points[SHOULDERS]
    width = max(float(np.hypot(*(left - right))), 0.02)
    return (points[ARMS] - (left + right) / 2) / width


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return how far the arm is that moved most, in shoulder widths."""
    return float(np.hypot(*(a - b).T).max())


def is_low(arms: np.ndarray) -> bool:
    """Tell whether hands hang or lie, rather than being held up."""
    elbows, wrists = arms[:2, 1], arms[2:, 1]
    return bool((wrists > elbows - HIGH).all())


def cut_takes(frames: Iterable[Keypoints]) -> list[Take]:
    """Return the takes of a recording of one person; none if nobody is there.

    A brief one is one take. So is a longer one in which nothing goes from rest to rest.
    """
    frames = list(frames)
    if not any(frame.body is not None for frame in frames):
        return []
    takes = []
    if frames[-1].stamp - frames[0].stamp > BRIEF * SECOND:
        cutter = Cutter()
        takes = [take for frame in frames if (take := cutter.push(frame)) is not None]
        if (last := cutter.finish()) is not None:
            takes.append(last)
    return takes or [Take.of(frames, *_moving(frames))]


def _moving(frames: Sequence[Keypoints]) -> tuple[int, int]:
    """Return from when to when the arms are away from where they are at the ends."""
    seen = [(f.stamp, arms) for f in frames if (arms := arms_of(f)) is not None]
    start = next((t for t, arms in seen if distance(arms, seen[0][1]) > AWAY), seen[0][0])
    stop = next((t for t, arms in seen[::-1] if distance(arms, seen[-1][1]) > AWAY), seen[-1][0])
    return (start, stop) if stop - start >= SHORTEST * SECOND else (seen[0][0], seen[-1][0])


def nearest(people: Sequence[Keypoints], before: str = '') -> Keypoints:
    """Return the person who was followed `before`, or else the one nearest to the camera.

    `people` is what a detector gives of one image: at least one entry.
    """

    def rank(frame: Keypoints) -> tuple[bool, float]:
        if frame.body is None:
            return False, 0.0
        left, right = frame.body[SHOULDERS, :2] * np.array([1.0, frame.aspect])
        return frame.person_id == before, float(np.hypot(*(left - right)))

    return max(people, key=rank)
