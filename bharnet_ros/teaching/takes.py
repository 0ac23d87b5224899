"""Takes: one showing of an action by one person, on disk before anybody is told that it is."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bharnet_ros.errors import BharnetError, one_line, reason_of
from bharnet_ros.layouts import DETECTOR_LAYOUTS, MEDIAPIPE_HOLISTIC
from bharnet_ros.system.writing import explained, whole_file
from bharnet_ros.types import (
    BODY_CHANNELS,
    HAND_CHANNELS,
    MAX_VALUE,
    PARTS,
    SECOND,
    Keypoints,
)

SUFFIX = '.npz'
LONGEST_NAME = 60  # characters of an action's name
MAX_BYTES = 50_000_000  # of a take; ten seconds at 30 Hz have 0.5 MB
MAX_FRAMES = 20_000
PERSON = 'taught'  # person id of the frames of a take that is played


class TakeError(BharnetError):
    """A take that cannot serve, or a name that no action can have; the text says why."""


@dataclass(frozen=True, eq=False)
class Take:
    """The keypoints of one person who shows an action once.

    Values are those of `Keypoints`; of a part that was not found they are 0, with mask false.
    `start` and `stop` enclose the showing itself; before and after there may be rest.
    """

    stamps: np.ndarray  # (F,) int64, nanoseconds, increasing
    body: np.ndarray  # (F, 33, 4) float32
    left_hand: np.ndarray  # (F, 21, 3) float32
    right_hand: np.ndarray  # (F, 21, 3) float32
    mask: np.ndarray  # (F, 3) bool: body, left hand, right hand
    aspect: float  # image height / width
    start: int  # nanoseconds
    stop: int
    layout: str = MEDIAPIPE_HOLISTIC.name

    @classmethod
    def of(
        cls, frames: Sequence[Keypoints], start: int | None = None, stop: int | None = None
    ) -> 'Take':
        """Make a take of frames of one person; frames without a body are somebody out of sight.

        Without `start` and `stop` all of it is the showing. TakeError if it cannot be one.
        """
        frames = [
            frame
            for i, frame in enumerate(frames)
            if not any(other.stamp >= frame.stamp for other in frames[max(0, i - 1) : i])
        ]
        if len(frames) < 2:
            raise TakeError('a take of less than two frames: is the camera on?')
        for frame in frames:
            frame.check()
        layout = DETECTOR_LAYOUTS[frames[0].layout]
        shapes = {
            'body': (len(layout.body), BODY_CHANNELS),
            'left_hand': (len(layout.hand), HAND_CHANNELS),
            'right_hand': (len(layout.hand), HAND_CHANNELS),
        }
        values = {
            name: np.stack(
                [
                    np.zeros(shape, np.float32) if points is None else points
                    for points in (getattr(frame, name) for frame in frames)
                ]
            ).astype(np.float32)
            for name, shape in shapes.items()
        }
        return cls(
            np.array([frame.stamp for frame in frames], np.int64),
            **values,
            mask=np.array([[getattr(f, name) is not None for name in PARTS] for f in frames]),
            aspect=frames[0].aspect,
            start=frames[0].stamp if start is None else start,
            stop=frames[-1].stamp if stop is None else stop,
            layout=layout.name,
        )

    @property
    def seconds(self) -> float:
        """How long the showing lasts."""
        return (self.stop - self.start) / SECOND

    @property
    def showing(self) -> np.ndarray:
        """(F,) bool: the frames of the showing itself."""
        return (self.stamps >= self.start) & (self.stamps <= self.stop)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return (len(self.stamps) - 1) * SECOND / float(self.stamps[-1] - self.stamps[0])

    def check(self) -> None:
        """Raise TakeError if these are no keypoints of a person."""
        count, layout = len(self.stamps), DETECTOR_LAYOUTS.get(self.layout)
        if layout is None:
            raise TakeError(f'it has the unknown keypoint layout {self.layout[:40]!r}')
        shapes = {
            'stamps': (count,),
            'body': (count, len(layout.body), BODY_CHANNELS),
            'left_hand': (count, len(layout.hand), HAND_CHANNELS),
            'right_hand': (count, len(layout.hand), HAND_CHANNELS),
            'mask': (count, len(PARTS)),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise TakeError(f'its {name} has the shape {values.shape}, not {shape}')
            if not np.isfinite(values).all():
                raise TakeError(f'its {name} holds NaN or infinite values')
            if name not in ('stamps', 'mask') and np.abs(values).max(initial=0) > MAX_VALUE:
                raise TakeError(f'its {name} has impossible values (beyond {MAX_VALUE})')
        if not 2 <= count <= MAX_FRAMES:
            raise TakeError(f'it has {count} frames; 2 to {MAX_FRAMES} are possible')
        if not (np.diff(self.stamps) > 0).all():
            raise TakeError('its stamps do not increase')
        if not 0.05 < self.aspect < 20:
            raise TakeError(f'its pictures have an impossible shape: {self.aspect:g}')
        if not self.stamps[0] <= self.start < self.stop <= self.stamps[-1]:
            raise TakeError('its showing does not lie within it')

    def frames(self) -> list[Keypoints]:
        """Return it as a detector had delivered it, of pictures 1000 pixels wide."""
        made = []
        for t, stamp in enumerate(self.stamps.tolist()):
            body, left, right = (
                getattr(self, name)[t] if self.mask[t, part] else None
                for part, name in enumerate(PARTS)
            )
            seen = body is not None
            made.append(
                Keypoints(
                    stamp,
                    1000,
                    round(1000 * self.aspect),
                    PERSON if seen else '',
                    body,
                    None,
                    left if seen else None,
                    right if seen else None,
                    self.layout,
                )
            )
        return made

    def write(self, path: Path) -> None:
        """Write it, whole or not at all; WriteError."""
        with whole_file(path) as partial:
            np.savez_compressed(
                partial,
                **{name: getattr(self, name) for name in ('stamps', *PARTS, 'mask')},
                aspect=np.float64(self.aspect),
                span=np.array([self.start, self.stop], np.int64),
                layout=np.array(self.layout),
            )

    @classmethod
    def read(cls, path: Path) -> 'Take':
        """Read and check a take; TakeError names the file and says what is wrong with it."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise TakeError(f'it is larger than {MAX_BYTES / 1e6:.0f} MB')
            with np.load(path, allow_pickle=False) as data:
                take = cls(
                    **{name: data[name] for name in ('stamps', *PARTS, 'mask')},
                    aspect=float(data['aspect']),
                    start=int(data['span'][0]),
                    stop=int(data['span'][1]),
                    layout=str(data['layout']),
                )
            take.check()
        except Exception as error:  # NumPy and zip raise many kinds of a file with flipped bits
            raise TakeError(f'{path} is no take, or damaged: {reason_of(error, 200)}') from error
        return take


def check_name(name: str) -> str:
    """Return the name of an action or of a set of them; TakeError if it cannot be one."""
    if not re.fullmatch(r'[^\W_][\w .-]*', name) or name != name.strip() or '..' in name:
        raise TakeError(
            f'{one_line(name, 40)!r} is no name: it begins with a letter or digit, and letters, '
            'digits, -, _ and spaces follow'
        )
    if len(name) > LONGEST_NAME:
        raise TakeError(f'a name of {len(name)} characters; at most {LONGEST_NAME} are possible')
    return name


class TakeFolder:
    """The takes of a set of actions: FOLDER/ACTION/0001.npz and so on."""

    def __init__(self, folder: Path):
        self.folder = folder

    def actions(self) -> dict[str, list[int]]:
        """Return the numbers of the takes that there are of every action, in order."""
        if not self.folder.is_dir():
            return {}
        found = {}
        for inner in sorted(self.folder.iterdir()):
            numbers = sorted(
                int(file.stem) for file in inner.glob('[0-9]*' + SUFFIX) if file.stem.isdigit()
            )
            if numbers and inner.is_dir():
                found[inner.name] = numbers
        return found

    def path(self, action: str, number: int) -> Path:
        """Return the file of a take."""
        return self.folder / check_name(action) / f'{number:04d}{SUFFIX}'

    def add(self, action: str, take: Take) -> int:
        """Write a take; return its number. When this returns it is on the disk."""
        take.check()
        number = max(self.actions().get(check_name(action), [0])) + 1
        path = self.path(action, number)
        with explained(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        take.write(path)
        return number

    def read(self, action: str, number: int) -> Take:
        """Read a take; TakeError if there is none, or if it is damaged."""
        self._require(action, number)
        return Take.read(self.path(action, number))

    def delete(self, action: str, number: int) -> None:
        """Remove a take; TakeError if there is none."""
        self._require(action, number)
        path = self.path(action, number)
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def forget(self, action: str) -> int:
        """Remove all takes of an action; return how many there were."""
        numbers = self._require(action)
        shutil.rmtree(self.folder / action)
        return len(numbers)

    def rename(self, action: str, name: str) -> None:
        """Give an action another name; TakeError if there is one of that name already."""
        self._require(action)
        if check_name(name) in self.actions():
            raise TakeError(f"there is an action '{name}' already")
        (self.folder / action).rename(self.folder / name)

    def _require(self, action: str, number: int | None = None) -> list[int]:
        have = self.actions()
        if action not in have:
            known = ', '.join(have) or 'none yet'
            raise TakeError(f"no action '{one_line(action, 40)}' was shown; there are: {known}")
        if number is not None and number not in have[action]:
            told = ', '.join(map(str, have[action]))
            raise TakeError(f"'{action}' has no take {number}; there are {told}")
        return have[action]
