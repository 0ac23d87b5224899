"""Takes between a start and a stop, of whoever is nearest to the camera."""

from bharnet_ros.teaching.cutting import cut_takes, nearest
from bharnet_ros.teaching.takes import Take, TakeError
from bharnet_ros.types import SECOND, Keypoints

LONGEST = 60.0  # seconds that are kept between start and stop


class TakeRecorder:
    """Keeps one person's keypoints while an action is being shown."""

    def __init__(self) -> None:
        self._action = ''  # that is being shown
        self._moment: list[Keypoints] = []  # people of the newest stamp
        self._frames: list[Keypoints] = []

    def start(self, action: str) -> None:
        """Begin; TakeError if another take goes on."""
        if self._action:
            raise TakeError(f'a take of {self._action} goes on: call stop_take first')
        self.stop()
        self._action = action

    def stop(self) -> None:
        """Forget what was shown."""
        self._action, self._frames, self._moment = '', [], []

    def push(self, frame: Keypoints) -> None:
        """Take keypoints of anybody; those of one stamp belong to one image."""
        if not self._action:
            return
        if self._moment and frame.stamp != self._moment[0].stamp:
            self._settle()
        # One of each person: a stamp that stands still must not fill the memory.
        self._moment = [f for f in self._moment if f.person_id != frame.person_id] + [frame]

    def _settle(self) -> None:
        before = self._frames[-1].person_id if self._frames else ''
        found = nearest(self._moment, before)
        self._moment = []
        if self._frames and found.stamp <= self._frames[-1].stamp:
            if self._frames[-1].stamp - found.stamp < SECOND:
                return  # it came late
            self._frames = []  # a clock was set back: nothing before can be compared
        if not self._frames or found.stamp - self._frames[0].stamp <= LONGEST * SECOND:
            self._frames.append(found)

    def finish(self) -> tuple[str, list[Take]]:
        """Return the action and its takes; TakeError if nobody was seen, or none was started."""
        if not self._action:
            raise TakeError('no take goes on: call start_take first')
        if self._moment:
            self._settle()
        action, frames = self._action, self._frames
        self.stop()
        if not frames:
            raise TakeError(f'{action}: no keypoints came; is the node active, and the camera on?')
        takes = cut_takes(frames)
        if not takes:
            raise TakeError(f'{action}: nobody was seen')
        return action, takes
