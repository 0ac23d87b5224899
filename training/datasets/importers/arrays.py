"""Import MediaPipe Holistic keypoints that lie about as arrays: one .npz, or a folder of .npy."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC

from ...errors import DataError
from ..estimate import estimate_aspect, estimate_rate, hand_path
from ..labels import label_of, spellers
from ..store import DatasetInfo, DatasetWriter, Track
from ..table import ClipInfo
from .licences import read_licences

KEYS = {'body': 'pose', 'left_hand': 'left_hand', 'right_hand': 'right_hand'}
COLUMNS = ('subject', 'camera', 'session', 'setup')
# The widely copied layout of one frame: pose (x, y, z, visibility), face, left and right hand.
POSE, FACE, HAND = 33 * 4, 468 * 3, 21 * 3
FLAT = {POSE + FACE + 2 * HAND: FACE, POSE + 2 * HAND: 0}  # values a frame -> values of the face


def make_track(body: np.ndarray, left: np.ndarray, right: np.ndarray) -> Track:
    """Return a track from arrays in which a part that was not found is all zeros or NaN."""
    kind = np.float16 if body.dtype == np.float16 else np.float32
    parts = [np.nan_to_num(np.asarray(part, kind)) for part in (body, left, right)]
    mask = np.stack([part.any((1, 2)) for part in parts], -1)
    return Track(parts[0], mask, *parts[1:])


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f'{path}: {error}') from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a .npz file; DataError says what is wrong with it."""
    if not path.is_file():
        raise DataError(f'no such data file: {path}')
    data = _load(path)
    if isinstance(data, np.ndarray):
        raise DataError(f'{path}: one bare array, not a .npz with names')
    try:
        return {name: data[name] for name in data}
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f'{path}: {error}') from error


def check_arrays(path: Path, arrays: dict[str, np.ndarray], shapes: dict[str, tuple]) -> None:
    """Raise DataError unless the arrays are numbers of these shapes."""
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise DataError(f'{path}: {key} has shape {arrays[key].shape}, not {shape}')
        if arrays[key].dtype.kind not in 'fiu':
            raise DataError(f'{path}: {key} holds {arrays[key].dtype}, not numbers')


Read = tuple[tuple[str, ...], Iterator[tuple[ClipInfo, Track]], int]


def read_npz(path: Path, hands_only: bool = False) -> Read:
    """Return class names, the clips of a .npz file, and their number."""
    arrays = read_arrays(path)
    if hands_only and 'left_hand' in arrays:
        body = (len(MEDIAPIPE_HOLISTIC.body), 4)
        arrays['pose'] = np.zeros((*arrays['left_hand'].shape[:2], *body), np.float16)
    if missing := {*KEYS.values(), 'label', 'class_names'} - set(arrays):
        raise DataError(
            f'{path}: holds no {", ".join(sorted(missing))}; it needs pose (or --hands_only '
            'true), left_hand, right_hand, label and class_names'
        )
    names, label = tuple(str(name) for name in arrays['class_names']), arrays['label']
    n, frames = (*arrays['pose'].shape, 0, 0)[:2]
    hand = (n, frames, len(MEDIAPIPE_HOLISTIC.hand), 3)
    shapes = {
        'pose': (n, frames, len(MEDIAPIPE_HOLISTIC.body), 4),
        'left_hand': hand,
        'right_hand': hand,
        'label': (n,),
    }
    length = arrays.pop('frames', None)
    if length is None:
        length = np.full(n, frames)
    check_arrays(path, arrays | {'frames': length}, shapes | {'frames': (n,)})
    if label.dtype.kind not in 'iu':
        raise DataError(f'{path}: label holds {label.dtype}, not whole numbers')
    if n and not 0 <= label.min() <= label.max() < len(names):
        raise DataError(
            f'{path}: labels {label.min()} to {label.max()}, but {len(names)} class names'
        )
    if n and not (length.min() >= 1 and length.max() <= frames):
        raise DataError(f'{path}: frames {length.min()} to {length.max()}, of {frames} at most')
    per_clip = {
        name: array
        for name, array in arrays.items()
        if name not in ('label', 'class_names', *KEYS.values()) and array.shape == (n,)
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
                make_track(*(arrays[key][i, : int(length[i])] for key in KEYS.values())),
            )

    return names, clips(), n


def _number(path: Path) -> tuple[int, str]:
    digits = re.findall(r'\d+', path.stem)
    return (int(digits[-1]) if digits else -1, path.name)


def read_folder(path: Path) -> Read:
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


class Estimator:
    """Gathers the hands of each recording, to tell its aspect and rate at the end."""

    def __init__(self, aspect: float, rate: float | None):
        self.aspect, self.rate = aspect, rate
        self.tracks: dict[str, list[Track]] = {}

    def add(self, recording: str, track: Track) -> None:
        """Take in one clip of a recording."""
        self.tracks.setdefault(recording, []).append(track)

    def told(self, recording: str) -> tuple[float, float | None, str]:
        """Return aspect, rate, and which of the two were estimated, of a recording."""
        tracks = self.tracks[recording]
        hands = [
            getattr(t, part)[t.mask[:, i]]
            for t in tracks
            for i, part in ((1, 'left_hand'), (2, 'right_hand'))
        ]
        aspect = estimate_aspect(np.concatenate(hands))
        shape = aspect or self.aspect
        rate = estimate_rate(hand_path(t.left_hand, t.right_hand, shape) for t in tracks)
        told = [name for name, value in (('aspect', aspect), ('rate', rate)) if value is not None]
        return shape, rate or self.rate, ' '.join(told)


def import_arrays(
    source: Path,
    to: Path,
    name: str,
    license: str,
    aspect: float,
    rate: float,
    idle: str | None = None,
    use: str = 'ship',
    hands_only: bool = False,
    subject: str | None = None,
    recording: str | None = None,
    licences: Path | None = None,
    labels: bool = False,
    notes: list[str] = [],  # noqa: B006
) -> int:
    """Import MediaPipe Holistic arrays; return the number of clips.

    Args:
        source: a .npz with pose (N, T, 33, 4), left_hand and right_hand (N, T, 21, 3), label
            (N,), class_names, frames (N,) if clips are shorter than T, and any (N,) arrays such
            as subject or session; or a folder of CLASS/CLIP.npy, (T, 1662) or without face
            (T, 258), or CLASS/CLIP/FRAME.npy.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        aspect: image height / width of the camera (0.5625 for 16:9, 0.75 for 4:3); such files
            do not tell.
        rate: frames a second; such files do not tell, and without it no window of seconds can be
            cut. 0: nobody knows.
        idle: the class of people who do nothing known.
        use: ship, or measure for data that no model to be passed on may learn from.
        hands_only: the file has no pose.
        subject: the array that names people, if it is not called subject.
        recording: the array that names recordings. Aspect and rate are then estimated for each of
            them; what is given holds for those that do not tell.
        licences: folder of a licence for each subject, called OWNER+REPOSITORY.LICENSE.
        labels: call classes by the table of labels, see `bharnet-train labels`.
        notes: what else people should know.

    """
    if not aspect > 0:
        raise DataError(f'aspect is image height / width, a positive number, not {aspect}')
    if not 0 <= rate < float('inf'):
        raise DataError(f'rate is frames a second, or 0 if nobody knows, not {rate}')
    if not source.exists():
        raise DataError(f'no such file or folder: {source}')
    names, clips, count = read_folder(source) if source.is_dir() else read_npz(source, hands_only)
    if idle is not None and not labels and idle not in names:
        raise DataError(f'{source}: no class {idle!r}; there are {list(names)}')
    terms = {} if licences is None else read_licences(licences)
    found, estimator, spells = [], Estimator(aspect, rate or None), frozenset()
    for clip, track in clips:
        if subject is not None:
            clip = replace(clip, subject=clip.extra.get(subject, ''))
        found.append((clip, track))
        if recording is not None:
            estimator.add(column(clip, recording), track)
    told = {key: estimator.told(key) for key in estimator.tracks}
    if labels:
        spells = spellers((clip.subject, published(clip)) for clip, _ in found)
    infos = []
    for clip, _ in found:
        values = {'aspect': aspect, 'rate': rate or None, 'license': terms.get(clip.subject, '')}
        extra = dict(clip.extra)
        if terms and clip.subject not in terms:
            raise DataError(f'{licences}: no licence of {clip.subject!r}')
        if recording is not None:
            values['aspect'], values['rate'], extra['estimated'] = told[column(clip, recording)]
        if labels:
            label = label_of(published(clip), name, clip.subject, clip.subject in spells)
            extra |= {'published_label': published(clip), 'language': label.language}
            values['label'] = label.name
        infos.append(replace(clip, **values, extra=extra))
    if labels:
        names = tuple(dict.fromkeys(info.label for info in infos))
        idle = idle if idle in names else None
    info = DatasetInfo(
        name, MEDIAPIPE_HOLISTIC.name, names, license, idle, source.name, tuple(notes), use
    )
    hands = any(track.mask[:, 1:].any() for _, track in found)
    # What comes in half precision stays in it.
    precision = (
        'float16' if all(track.body.dtype == np.float16 for _, track in found) else 'float32'
    )
    with DatasetWriter(to, info, hands, precision) as writer:
        tracks = progress((track for _, track in found), f'importing {name}', count)
        for clip, track in zip(infos, tracks, strict=True):
            writer.add(clip, [track])
    return count


def published(clip: ClipInfo) -> str:
    """Return the label as its publisher wrote it."""
    return clip.extra.get('published_label', clip.label)


def column(clip: ClipInfo, name: str) -> str:
    """Return a value of the table; DataError if the clip has none of this name."""
    value = getattr(clip, name) if name in COLUMNS else clip.extra.get(name)
    if value is None:
        raise DataError(f'there is no array {name!r} with a value for each clip')
    return value
