"""Clips of MediaPipe keypoints: loading, cleaning, splitting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from bharnet_ros.keypoints import BODY_CHANNELS, HAND_CHANNELS
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.window import PARTS, Clip, resample

ARRAYS = ('body', 'left_hand', 'right_hand', 'mask', 'length', 'label', 'group', 'aspect')


class DataError(ValueError):
    """A data file that is missing, not ours to read, or inconsistent."""


@dataclass(frozen=True)
class SourceConfig:
    """One npz file of clips and how to read it."""

    path: Path
    name: str  # for reports and the contract
    license: str
    group: str  # array that names the person or session a clip belongs to
    aspect: float  # image height / width; the files hold only normalised coordinates
    idle_hands: float = 1.0  # keep an idle clip if hands show in at most this share of its steps


@dataclass(frozen=True)
class Clips:
    """N clips of up to F frames, at an unknown but constant rate within a clip.

    Clip i has `length[i]` frames; what follows is padding. An array of a part is zero where its
    mask is False.
    """

    body: np.ndarray  # (N, F, 33, 4) float32
    left_hand: np.ndarray  # (N, F, 21, 3) float32
    right_hand: np.ndarray  # (N, F, 21, 3) float32
    mask: np.ndarray  # (N, F, 3) bool: body, left hand, right hand
    length: np.ndarray  # (N,) int64
    label: np.ndarray  # (N,) int64 into class_names
    group: np.ndarray  # (N,) str: source name and group, as 'words10/0'
    aspect: np.ndarray  # (N,) float32
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def select(self, keep: np.ndarray) -> 'Clips':
        """Return the clips that the boolean or integer (N,) array `keep` picks."""
        return replace(self, **{name: getattr(self, name)[keep] for name in ARRAYS})

    def clip(self, i: int, start: float, stop: float, steps: int) -> Clip:
        """Return the part of clip i from `start` to `stop` (0 to 1) at `steps` equal steps."""
        n = self.length[i]
        frames = np.arange(n)
        at = np.linspace(start, stop, steps) * (n - 1)
        mask = np.zeros((steps, len(PARTS)), np.float32)
        sampled = {}
        for part, name in enumerate(PARTS):
            sampled[name], mask[:, part] = resample(
                frames, getattr(self, name)[i, :n], self.mask[i, :n, part], at, max_gap=n)
        return Clip(**sampled, mask=mask, aspect=float(self.aspect[i]))


def load_clips(source: SourceConfig, idle: str) -> Clips:
    """Read one file; see `SourceConfig`. Raises DataError with what to do."""
    if not source.path.is_file():
        raise DataError(f'no such data file: {source.path}')
    try:
        data = np.load(source.path, allow_pickle=False)
        body, left, right = (np.asarray(data[key], np.float32)
                             for key in ('pose', 'left_hand', 'right_hand'))
        label = np.asarray(data['label'], np.int64)
        group = data[source.group]
        class_names = tuple(str(name) for name in data['class_names'])
    except (KeyError, IndexError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f'{source.path}: {error}') from error
    if body.ndim != 4 or label.shape != body.shape[:1] or group.shape != body.shape[:1]:
        raise DataError(f'{source.path}: pose {body.shape}, label {label.shape} and '
                        f'{source.group} {group.shape} do not hold one entry a clip')
    if len(label) and not 0 <= label.min() <= label.max() < len(class_names):
        raise DataError(f'{source.path}: labels {label.min()} to {label.max()}, but '
                        f'{len(class_names)} class names')
    n, frames = body.shape[:2]
    shapes = {'pose': (n, frames, len(MEDIAPIPE_HOLISTIC.body), BODY_CHANNELS)}
    shapes |= dict.fromkeys(('left_hand', 'right_hand'),
                            (n, frames, len(MEDIAPIPE_HOLISTIC.hand), HAND_CHANNELS))
    for (key, shape), array in zip(shapes.items(), (body, left, right), strict=True):
        if array.shape != shape:
            raise DataError(f'{source.path}: {key} has shape {array.shape}, not {shape}')
    # MediaPipe's convention in such files: a part that was not found is all zeros.
    mask = np.stack([np.abs(part).sum((2, 3)) > 0 for part in (body, left, right)], -1)
    clips = Clips(body, left, right, mask, np.full(n, frames), label,
                  np.array([f'{source.name}/{value}' for value in group]),
                  np.full(n, source.aspect, np.float32), class_names)
    # A clip without a body never reaches the network on the robot: nobody is there.
    keep = mask[:, :, 0].mean(1) >= 0.5
    if idle in class_names:
        hands = mask[:, :, 1:].any(2).mean(1)
        keep &= (label != class_names.index(idle)) | (hands <= source.idle_hands)
    return clips.select(keep)


def merge(parts: list[Clips], classes: Sequence[str] | None = None) -> Clips:
    """Join sets under the union of their class names, or keep only clips of `classes`."""
    union = tuple(dict.fromkeys(name for part in parts for name in part.class_names))
    names = tuple(classes or union)
    if missing := set(names) - set(union):
        raise DataError(f'no clips of {sorted(missing)}; there are {list(union)}')
    parts = [part.select(np.isin(np.array(part.class_names)[part.label], names))
             for part in parts]
    frames = max(part.body.shape[1] for part in parts)

    def pad(array: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, 0), (0, frames - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])

    joined = [replace(
        part, body=pad(part.body), left_hand=pad(part.left_hand),
        right_hand=pad(part.right_hand), mask=pad(part.mask), class_names=names,
        label=np.array([names.index(part.class_names[k]) for k in part.label], np.int64),
    ) for part in parts]
    return Clips(**{name: np.concatenate([getattr(part, name) for part in joined])
                    for name in ARRAYS}, class_names=names)
