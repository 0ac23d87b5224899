"""Import MediaPipe Holistic keypoints that lie about as arrays: one .npz, or a folder of .npy."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC

from ...datasets.table import ClipInfo
from ...errors import DataError
from ..store import DatasetInfo, DatasetWriter, Track

KEYS = {'body': 'pose', 'left_hand': 'left_hand', 'right_hand': 'right_hand'}
COLUMNS = ('subject', 'camera', 'session', 'setup')
# The widely copied layout of one frame: pose (x, y, z, visibility), face, left and right hand.
POSE, FACE, HAND = 33 * 4, 468 * 3, 21 * 3
FLAT = {POSE + FACE + 2 * HAND: FACE, POSE + 2 * HAND: 0}  # values a frame -> values of the face


def make_track(body: np.ndarray, left: np.ndarray, right: np.ndarray) -> Track:
    """Return a track from arrays in which a part that was not found is all zeros or NaN."""
    parts = [np.nan_to_num(np.asarray(part, np.float32)) for part in (body, left, right)]
    mask = np.stack([part.any((1, 2)) for part in parts], -1)
    return Track(parts[0], mask, *parts[1:])


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f'{path}: {error}') from error


def read_npz(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[ClipInfo, Track]], int]:
    """Return class names, the clips of a .npz file, and their number."""
    if not path.is_file():
        raise DataError(f'no such data file: {path}')
    data = _load(path)
    if isinstance(data, np.ndarray):
        raise DataError(f'{path}: one bare array, not a .npz with names')
    if missing := {*KEYS.values(), 'label', 'class_names'} - set(data):
        raise DataError(
            f'{path}: holds no {", ".join(sorted(missing))}; it needs pose, '
            'left_hand, right_hand, label and class_names'
        )
    try:
        arrays = {name: data[name] for name in data}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f'{path}: {error}') from error
    names, label = tuple(str(name) for name in arrays['class_names']), arrays['label']
    n, frames = (*arrays['pose'].shape, 0, 0)[:2]
    hand = (n, frames, len(MEDIAPIPE_HOLISTIC.hand), 3)
    for key, shape in (
        ('pose', (n, frames, len(MEDIAPIPE_HOLISTIC.body), 4)),
        ('left_hand', hand),
        ('right_hand', hand),
        ('label', (n,)),
    ):
        if arrays[key].shape != shape:
            raise DataError(f'{path}: {key} has shape {arrays[key].shape}, not {shape}')
        if arrays[key].dtype.kind not in 'fiu':
            raise DataError(f'{path}: {key} holds {arrays[key].dtype}, not numbers')
    if label.dtype.kind not in 'iu':
        raise DataError(f'{path}: label holds {label.dtype}, not whole numbers')
    if n and not 0 <= label.min() <= label.max() < len(names):
        raise DataError(
            f'{path}: labels {label.min()} to {label.max()}, but {len(names)} class names'
        )
    per_clip = {
        name: array
        for name, array in arrays.items()
        if name not in ('label', 'class_names') and array.shape == (n,)
    }

    def clips() -> Iterator[tuple[ClipInfo, Track]]:
        for i in range(n):
            values = {name: str(array[i]) for name, array in per_clip.items()}
            extra = {name: value for name, value in values.items() if name not in COLUMNS}
            yield (
                ClipInfo(
                    f'{i:05d}',
                    names[label[i]],
                    extra=extra,
                    **{name: values[name] for name in COLUMNS if name in values},
                ),
                make_track(*(arrays[key][i] for key in KEYS.values())),
            )

    return names, clips(), n


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r'\d+', path.stem)
    return (int(digits[-1]) if digits else -1, path.name)


def read_folder(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[ClipInfo, Track]], int]:
    """Return class names, the clips of CLASS/CLIP.npy or CLASS/CLIP/FRAME.npy, their number."""
    names = tuple(sorted(entry.name for entry in path.iterdir() if entry.is_dir()))
    found = [
        (name, entry)
        for name in names
        for entry in sorted((path / name).iterdir(), key=_number)
        if entry.is_dir() or entry.suffix == '.npy'
    ]
    if not found:
        raise DataError(f'{path}: holds no CLASS/CLIP.npy and no CLASS/CLIP/FRAME.npy')

    def clips() -> Iterator[tuple[ClipInfo, Track]]:
        for name, entry in found:
            files = sorted(entry.glob('*.npy'), key=_number) if entry.is_dir() else [entry]
            if not files:
                raise DataError(f'{entry}: an empty clip')
            arrays = [_load(file) for file in files]
            if entry.is_dir():
                if len({array.shape for array in arrays}) > 1:
                    raise DataError(f'{entry}: its frames differ in length')
                flat = np.stack(arrays)
            else:
                flat = arrays[0]
            if flat.ndim != 2 or flat.shape[1] not in FLAT:
                raise DataError(
                    f'{entry}: {flat.shape[1:] or flat.shape} values a frame, not '
                    + ' or '.join(map(str, FLAT))
                )
            hands = POSE + FLAT[flat.shape[1]]
            frames = len(flat)
            yield (
                ClipInfo(f'{name}/{entry.stem}', name),
                make_track(
                    flat[:, :POSE].reshape(frames, -1, 4),
                    flat[:, hands : hands + HAND].reshape(frames, -1, 3),
                    flat[:, hands + HAND :].reshape(frames, -1, 3),
                ),
            )

    return names, clips(), len(found)


def import_arrays(
    source: Path,
    to: Path,
    name: str,
    license: str,
    aspect: float,
    rate: float,
    idle: str | None = None,
) -> int:
    """Import MediaPipe Holistic arrays; return the number of clips.

    Args:
        source: a .npz with pose (N, T, 33, 4), left_hand and right_hand (N, T, 21, 3), label
            (N,), class_names, and any (N,) arrays such as subject or session; or a folder of
            CLASS/CLIP.npy, (T, 1662) or without face (T, 258), or CLASS/CLIP/FRAME.npy.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        aspect: image height / width of the camera (0.5625 for 16:9, 0.75 for 4:3); such files
            do not tell.
        rate: frames a second; such files do not tell, and without it no window of seconds can be
            cut. 0: nobody knows.
        idle: the class of people who do nothing known.

    """
    if not aspect > 0:
        raise DataError(f'aspect is image height / width, a positive number, not {aspect}')
    if not 0 <= rate < float('inf'):
        raise DataError(f'rate is frames a second, or 0 if nobody knows, not {rate}')
    if not source.exists():
        raise DataError(f'no such file or folder: {source}')
    names, clips, count = (read_folder if source.is_dir() else read_npz)(source)
    if idle is not None and idle not in names:
        raise DataError(f'{source}: no class {idle!r}; there are {list(names)}')
    info = DatasetInfo(name, MEDIAPIPE_HOLISTIC.name, names, license, idle, source.name)
    with DatasetWriter(to, info) as writer:
        for clip, track in progress(clips, f'importing {name}', count):
            writer.add(replace(clip, aspect=aspect, rate=rate or None), [track])
    return count
