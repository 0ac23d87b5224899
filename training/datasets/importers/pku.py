"""Import PKU-MMD (phase 1) skeletons: untrimmed videos with labelled segments (Kinect v2)."""

from pathlib import Path

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import NTU_25

from ...datasets.table import ClipInfo
from ...errors import DataError
from ..store import DatasetInfo, DatasetWriter, Track
from .failures import report_failures

# Liu et al., PKU-MMD, 2017: 51 actions in alphabetical order.
ACTIONS = tuple(Path(__file__).with_name('pku_classes.txt').read_text().splitlines())
BACKGROUND = '-'
JOINTS, PERSONS = len(NTU_25), 2
VIEWS = {'L': 'left', 'M': 'middle', 'R': 'right'}
SPLITS = {'xsub': 'cross-subject.txt', 'xview': 'cross-view.txt'}


def read_split(path: Path) -> dict[str, str]:
    """Return video -> 'train' or 'test' from an official split file."""
    roles, role = {}, ''
    for line in path.read_text().splitlines():
        if ':' in line:
            role = 'train' if 'train' in line.lower() else 'test'
            line = line.split(':', 1)[1]
        for video in line.replace(',', ' ').split():
            if not role:
                raise DataError(f'{path}: names {video} before it says of which part')
            roles[video] = role
    if set(roles.values()) != {'train', 'test'}:
        raise DataError(f'{path}: does not list training and validation videos')
    return roles


def read_skeleton(path: Path) -> np.ndarray:
    """Return (F, 2, 25, 3) metres; a body that is not there is zero."""
    try:
        values = np.loadtxt(path, np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(f'{path.name}: not a skeleton file ({error})') from error
    if values.shape[1:] != (PERSONS * JOINTS * 3,) or not np.isfinite(values).all():
        raise DataError(
            f'{path.name}: {values.shape[1]} values a line, not '
            f'{PERSONS * JOINTS * 3}, or some not finite'
        )
    return values.reshape(-1, PERSONS, JOINTS, 3)


def read_labels(path: Path, frames: int) -> list[tuple[int, int, int]]:
    """Return (action from 1, first frame, frame after the last) for each labelled segment."""
    try:
        rows = np.loadtxt(path, np.int64, delimiter=',', ndmin=2, usecols=(0, 1, 2))
    except (OSError, ValueError) as error:
        raise DataError(f'{path.name}: not a label file ({error})') from error
    for action, start, stop in rows:
        if not 1 <= action <= len(ACTIONS) or not 0 <= start < stop:
            raise DataError(f'{path.name}: impossible segment {action}, {start}, {stop}')
    return [(int(a), int(s), min(int(e), frames)) for a, s, e in rows if s < frames]


def segments(
    labels: list[tuple[int, int, int]], frames: int, background: int
) -> list[tuple[str, int, int]]:
    """Return (class, first, after last); also gaps of `background` frames or more, if > 0."""
    found = [(ACTIONS[action - 1], start, stop) for action, start, stop in labels]
    if background:
        edges = [(0, 0), *sorted((s, e) for _, s, e in found), (frames, frames)]
        free = 0
        for start, stop in edges:
            if start - free >= background:
                found.append((BACKGROUND, free, start))
            free = max(free, stop)
    return sorted(found, key=lambda item: item[1])


def to_tracks(body: np.ndarray) -> list[Track]:
    """Return the persons of (F, 2, 25, 3): who is there most of the time, moves most, first."""
    seen = body.any((2, 3))
    order = sorted(
        (p for p in range(PERSONS) if seen[:, p].any()),
        reverse=True,
        key=lambda p: (seen[:, p].mean() >= 0.5, body[seen[:, p], p].reshape(-1, 3).var(0).sum()),
    )
    no_hand = np.zeros(len(body), bool)
    return [Track(body[:, p], np.stack([seen[:, p], no_hand, no_hand], -1)) for p in order]


def import_pku(
    skeletons: Path,
    labels: Path,
    splits: Path,
    to: Path,
    background: int = 0,
    dtype: str = 'float32',
) -> int:
    """Import PKU-MMD: one clip for each labelled segment; return the number of clips.

    Videos that are not sound are listed in TO.failures.csv and left out.

    Args:
        skeletons: folder of NNNN-L.txt, NNNN-M.txt, NNNN-R.txt, 150 values a line.
        labels: folder of label files of the same names, `action,first,last,confidence` a line.
        splits: folder of cross-subject.txt and cross-view.txt; they fill the columns xsub and
            xview with train and test.
        to: folder of the new data set.
        background: also make clips of the class '-' of gaps of at least so many frames; 0: none.
        dtype: 'float16' halves the size.

    """
    for folder in (skeletons, labels, splits):
        if not folder.is_dir():
            raise DataError(f'no such folder: {folder}')
    roles = {}
    for column, name in SPLITS.items():
        if not (splits / name).is_file():
            raise DataError(f'{splits}: holds no {name}')
        roles[column] = read_split(splits / name)
    files = sorted(skeletons.glob('*.txt'))
    if not files:
        raise DataError(f'{skeletons}: holds no skeleton file')
    classes = ACTIONS + ((BACKGROUND,) if background else ())
    info = DatasetInfo(
        'pku',
        NTU_25.name,
        classes,
        'research use only',
        BACKGROUND if background else None,
        'PKU-MMD phase 1',
        use='measure',
    )
    failures, count = [], 0
    with DatasetWriter(to, info, hands=False, dtype=dtype) as writer:
        for file in progress(files, 'importing pku'):
            video = file.stem
            try:
                body = read_skeleton(file)
                parts = segments(read_labels(labels / file.name, len(body)), len(body), background)
            except DataError as error:
                failures.append((str(file), str(error)))
                continue
            columns = {name: role.get(video, '') for name, role in roles.items()}
            for label, start, stop in parts:
                tracks = to_tracks(body[start:stop])
                if not tracks:
                    failures.append((str(file), f'nobody in frames {start} to {stop}'))
                    continue
                writer.add(
                    ClipInfo(
                        f'{video}/{start:05d}',
                        label,
                        camera=VIEWS.get(video[-1], ''),
                        session=video,
                        rate=30.0,
                        extra=columns | {'start': str(start)},
                    ),
                    tracks,
                )
                count += 1
    report_failures(to, failures)
    return count
