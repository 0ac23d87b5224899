"""Noticing that the camera hangs upside down."""

from collections import deque
from collections.abc import Iterable

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.types import SECOND, Keypoints

SEEN = 0.5  # visibility from which a joint counts
SHARE = 0.8  # of the bodies that stand on their heads
FEWEST = 10  # bodies before anything is said


class HeadstandWatch:
    """Tells whether most bodies of the last seconds stand on their heads.

    One person may do a handstand; people who do nothing else mean a camera that is mounted upside
    down. Detectors find such people, but models have never seen them.
    """

    def __init__(self, seconds: float = 3.0):
        self._span = int(seconds * SECOND)
        self._found: deque[tuple[int, bool]] = deque()  # stamp, whether on its head

    def push(self, people: Iterable[Keypoints]) -> None:
        """Take what was detected in one image."""
        for person in people:
            on_head = stands_on_head(person)
            if on_head is None:
                continue
            if self._found and person.stamp < self._found[-1][0]:  # another clock
                self._found.clear()
            self._found.append((person.stamp, on_head))
            while self._found[-1][0] - self._found[0][0] > self._span:
                self._found.popleft()

    @property
    def upside_down(self) -> bool:
        """Whether to ask for another `rotate`: seen for half the time span, most of it so."""
        found = tuple(self._found)
        return (
            len(found) >= FEWEST
            and found[-1][0] - found[0][0] >= self._span // 2
            and sum(on_head for _, on_head in found) >= SHARE * len(found)
        )


def upside_down(rotate: int) -> str:
    """Say that people stand on their heads, and what to do; `rotate` is the present setting."""
    return (
        'people stand on their heads: is the camera mounted upside down? Then set rotate to '
        f'{(rotate + 180) % 360}'
    )


def stands_on_head(person: Keypoints) -> bool | None:
    """Return whether the head is below the shoulders, and the hips above where they are seen.

    None: it cannot be told.
    """
    if person.body is None:
        return None
    joints = DETECTOR_LAYOUTS[person.layout].body.joints
    height: dict[str, float] = {}  # y of the image: the larger the lower
    for part in ('nose', 'shoulder', 'hip'):
        rows = [person.body[i] for i, name in enumerate(joints) if name.endswith(part)]
        seen = [float(row[1]) for row in rows if row[3] >= SEEN]
        if seen:
            height[part] = sum(seen) / len(seen)
    if not {'nose', 'shoulder'} <= height.keys():
        return None
    return height.get('hip', 0) < height['shoulder'] < height['nose']
