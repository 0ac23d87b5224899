"""Windows in which one clip gives way to the next, as a robot sees them between two actions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.types import PARTS, Clip

from ..errors import DataError
from .clips import Clips, require_rate
from .poses import View, poses, transition

LEAVING = 0.3  # share of joined windows that end between the clips, with hands on their way
WAY = (0.2, 0.7)  # seconds from one clip to the next
SPEED = (0.75, 1.33)  # of the performance
BEGUN = 0.3  # seconds of an action after which it can be known
IDLE_BEFORE = 0.5  # share of joined windows that come out of rest, where there is any


@dataclass(frozen=True)
class JoinPlan:
    """What a window shows: the end of one clip, the way to the next, the beginning of that.

    Times are seconds of the clip that they belong to. Within a part steps are equally spaced, and
    stretched by less than one of them, so that the first part ends with its clip and the last
    begins with its own.
    """

    before: tuple[float, int]  # time in the first clip at the first step; number of steps
    between: int  # steps
    after: tuple[float, int]  # time in the second clip at the last step; number of steps


def plan_join(end: float, way: float, first_seconds: float, step: float, steps: int) -> JoinPlan:
    """Lay out a window of `steps` that ends `end` seconds after the second clip began.

    Args:
        end: seconds; negative if the window ends on the way between the clips.
        way: seconds from the end of the first clip to the beginning of the second.
        first_seconds: length of the first clip; what lies before it shows its first frame.
        step: seconds from one step to the next.
        steps: of the window.

    """
    times = end - step * np.arange(steps - 1, -1, -1)
    after = int((times >= 0).sum())
    before = int((times <= -way).sum())
    start = first_seconds + way + times[0] if before else first_seconds
    return JoinPlan(
        (min(max(start, 0.0), first_seconds), before),
        steps - before - after,
        (max(end, 0.0), after),
    )


def join(
    first: Clip, second: Clip, between: int, keep: tuple[int, int], lose: bool = True
) -> Clip | None:
    """Return a window of the last steps of one clip, a blend, and the first steps of another.

    The person of `first` is moved and scaled to where that of `second` is. None if a body is
    missing at a step: there is nothing to blend.

    Args:
        first: of at least one step, also if none of them is kept.
        second: the same.
        between: steps of the blend.
        keep: number of steps kept of the first and of the second clip.
        lose: hands outside the picture are missing; else it is as if the camera saw more.

    """
    if not (first.mask[:, 0].all() and second.mask[:, 0].all()):
        return None
    try:
        a, b, view = poses(first), poses(second), View.of(second)
    except ValueError:
        return None
    way = transition(a[-1], b[0], between + 1)[:-1]
    sequence = [view.show(pose, lose) for pose in a[len(a) - keep[0] :] + way + b[: keep[1]]]
    arrays, mask = {}, np.zeros((len(sequence), len(PARTS)), np.float32)
    for part, name in enumerate(PARTS):
        arrays[name] = np.zeros((len(sequence), *getattr(second, name).shape[1:]), np.float32)
        for t, pose in enumerate(sequence):
            if pose[name] is not None:
                arrays[name][t], mask[t, part] = pose[name], 1
    return Clip(**arrays, mask=mask, aspect=second.aspect)


class Joiner:
    """Draws windows of two clips of one person; rest may be somebody else's.

    A window is called what it shows at its end.

    With hands on their way from one action to the next, nothing known happens: idle.
    """

    def __init__(self, clips: Clips, steps: int, window_seconds: float, idle: int | None):
        """Args: as of ClipDataset. DataError if the clips cannot be joined."""
        if clips.layout.name not in DETECTOR_LAYOUTS or clips.persons > 1:
            raise DataError(
                "augment.join needs clips of one person in a layout of the robot's "
                f'detector ({", ".join(DETECTOR_LAYOUTS)})'
            )
        require_rate(clips)
        self.clips, self.steps, self.idle, self.window_seconds = clips, steps, idle, window_seconds
        self.rest = np.flatnonzero(clips.label == idle) if idle is not None else np.zeros(0, int)
        self.people = {
            group: np.flatnonzero(clips.group == group) for group in np.unique(clips.group)
        }

    def _partner(self, i: int, rng: np.random.Generator) -> int:
        """Return another clip of the same person; for rest anybody's will do."""
        mine = self.people[self.clips.group[i]]
        if self.idle is not None and rng.random() < IDLE_BEFORE:
            rest = mine[self.clips.label[mine] == self.idle]
            if not len(rest):
                rest = self.rest
            if len(rest):
                return int(rng.choice(rest))
        return int(rng.choice(mine))

    def draw(
        self,
        i: int,
        rng: np.random.Generator,
        dress: Callable[[Clip, int, np.random.Generator], Clip],
    ) -> tuple[Clip, int] | None:
        """Return a window around clip i and its label; None if the clips cannot be joined.

        Args:
            i: a clip; the window ends in it or just after it.
            rng: what is random.
            dress: applied to each clip, with its label, before they are joined.

        """
        other, way = self._partner(i, rng), rng.uniform(*WAY)
        step = self.window_seconds * rng.uniform(*SPEED) / (self.steps - 1)
        if self.idle is not None and rng.random() < LEAVING:
            first, second, label = i, other, self.idle
            end = -rng.uniform(0.0, way - 0.1)
        else:
            first, second, label = other, i, int(self.clips.label[i])
            longest = min(self.clips.seconds(i), self.window_seconds)
            end = rng.uniform(min(BEGUN, longest), longest)
        seconds = [self.clips.seconds(clip) for clip in (first, second)]
        if not all(seconds):
            return None  # a single frame has no speed
        plan = plan_join(end, way, seconds[0], step, self.steps)
        (start, kept), (stop, shown) = plan.before, plan.after
        a = self.clips.clip(first, start / seconds[0], 1.0, max(kept, 1))
        b = self.clips.clip(second, 0.0, stop / seconds[1], max(shown, 1))
        window = join(
            dress(a, int(self.clips.label[first]), rng),
            dress(b, int(self.clips.label[second]), rng),
            plan.between,
            (kept, shown),
            rng.random() < 0.5,
        )
        return None if window is None else (window, label)
