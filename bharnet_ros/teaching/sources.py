"""Takes out of recordings: videos, bags, and arrays of keypoints."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from bharnet_ros.bags.bag import read_moments
from bharnet_ros.config import SourceConfig
from bharnet_ros.detectors.base import Detector
from bharnet_ros.errors import reason_of
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.teaching.cutting import cut_takes, nearest
from bharnet_ros.teaching.takes import PERSON, Take, TakeError
from bharnet_ros.types import NOBODY, SECOND, Keypoints, KeypointsError

ARRAYS, BAG = '.npz', '.mcap'
VIDEOS = ('.mp4', '.mkv', '.avi', '.mov', '.webm', '.m4v')
WIDTH = 1000  # pixels that arrays, which tell their shape alone, are taken to have
SHAPES = {
    'pose': (len(MEDIAPIPE_HOLISTIC.body), 4),
    'left_hand': (len(MEDIAPIPE_HOLISTIC.hand), 3),
    'right_hand': (len(MEDIAPIPE_HOLISTIC.hand), 3),
}


def recordings(folder: Path) -> list[Path]:
    """Return the recordings in a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if _kind(path))


def _kind(path: Path) -> str:
    if path.is_dir():
        return BAG if (path / 'metadata.yaml').is_file() else ''
    suffix = path.suffix.lower()
    return suffix if suffix in (ARRAYS, BAG) else ('video' if suffix in VIDEOS else '')


def by_action(source: Path, actions: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Return (action, recording) for a file, or a folder with a folder for each action.

    Where one action is named, all of the file or folder is of it. TakeError if nothing is there.
    """
    if not source.exists():
        raise TakeError(f'no such file or folder: {source}')
    if _kind(source) or (source.is_dir() and recordings(source)):
        if len(actions) != 1:
            raise TakeError(
                f'{source} holds recordings: say of which one action, as in '
                f'"bharnet teach wave --from {source}"'
            )
        files = [source] if _kind(source) else recordings(source)
        return [(actions[0], file) for file in files]
    if not source.is_dir():
        raise TakeError(f'{source} is no video ({", ".join(VIDEOS)}), bag or .npz')
    found = [
        (folder.name, file)
        for folder in sorted(source.iterdir())
        if folder.is_dir() and (not actions or folder.name in actions)
        for file in recordings(folder)
    ]
    if not found:
        raise TakeError(
            f'{source} holds no recordings: it wants a folder for each action, with videos, bags '
            'or .npz files in it'
        )
    return found


def takes_of(path: Path, make_detector: Callable[[], Detector], fps: float = 0.0) -> list[Take]:
    """Return the takes in a recording, cut from rest to rest; a short one is a take as it is.

    Args:
        path: a video, a bag, or arrays.
        make_detector: for videos.
        fps: frames a second of arrays that do not tell.

    Raises TakeError, SourceError or BagError with one plain line.

    """
    kind = _kind(path)
    if kind == ARRAYS:
        return _takes_of_arrays(path, fps)
    frames: list[Keypoints] = []
    moments = read_moments(path) if kind == BAG else _of_video(path, make_detector)
    for people in moments:
        for person in people:
            try:
                person.check()
            except KeypointsError as error:
                raise TakeError(f'{path}: {error}') from error
        frames.append(nearest(people, frames[-1].person_id if frames else NOBODY))
    return _cut(path, frames)


def _cut(path: Path, frames: list[Keypoints]) -> list[Take]:
    try:
        takes = cut_takes(frames)
    except KeypointsError as error:
        raise TakeError(f'{path}: {error}') from error
    if not takes:
        raise TakeError(f'{path}: nobody is seen in it')
    return takes


def _of_video(path: Path, make_detector: Callable[[], Detector]) -> Iterator[list[Keypoints]]:
    config = SourceConfig(str(path), realtime=False)
    with VideoReader(config) as reader, closing(make_detector()) as detector:
        while (frame := reader.read()) is not None:
            yield detector.detect(frame)


def _takes_of_arrays(path: Path, fps: float) -> list[Take]:
    """Read a take as this package writes it, or arrays of one or of many clips."""
    try:
        with np.load(path, allow_pickle=False) as data:
            names = set(data.files)
            arrays = {name: data[name] for name in names & {*SHAPES, 'fps', 'aspect'}}
    except Exception as error:  # NumPy and zip raise many kinds of a file with flipped bits
        raise TakeError(f'{path} cannot be read: {reason_of(error, 160)}') from error
    if {'span', 'stamps', 'mask'} <= names:
        return [Take.read(path)]
    if missing := set(SHAPES) - set(arrays):
        raise TakeError(
            f'{path} holds no {", ".join(sorted(missing))}; arrays are pose (F, 33, 4), left_hand '
            'and right_hand (F, 21, 3), of one clip or, with one axis more, of several'
        )
    try:
        rate, aspect = float(arrays.get('fps', fps)), float(arrays.get('aspect', 0.75))
    except (TypeError, ValueError) as error:
        raise TakeError(f'{path}: fps and aspect are a number each') from error
    if not 0 < rate <= 1000:
        raise TakeError(f'{path} does not tell its frames a second: give --fps')
    if not 0.1 < aspect < 10:
        raise TakeError(f'{path}: aspect is image height over width, not {aspect}')
    clips = []
    for name, shape in SHAPES.items():
        values = np.asarray(arrays[name], np.float32)
        values = values if values.ndim == 4 else values[None]
        if values.ndim != 4 or values.shape[2:] != shape:
            raise TakeError(f'{path}: {name} has the shape {arrays[name].shape}')
        clips.append(values)
    if len({values.shape[:2] for values in clips}) > 1:
        raise TakeError(f'{path}: body and hands have not the same number of frames')
    takes: list[Take] = []
    for parts in zip(*clips, strict=True):
        frames = enumerate(zip(*parts, strict=True))
        takes += _cut(path, [_frame(t, rate, aspect, *at) for t, at in frames])
    return takes


def _frame(t: int, rate: float, aspect: float, *parts: np.ndarray) -> Keypoints:
    """Return frame t of arrays, where a part that was not found is all zeros."""
    body, left, right = (part if part.any() else None for part in parts)
    someone = body is not None
    return Keypoints(
        round(t * SECOND / rate),
        WIDTH,
        round(WIDTH * aspect),
        PERSON if someone else NOBODY,
        body,
        None,
        left if someone else None,
        right if someone else None,
    )
