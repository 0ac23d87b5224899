"""Import untrimmed MediaPipe recordings with a label for every frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.types import SECOND

from ...errors import DataError
from ..labels import label_of
from ..segments import segments_of
from ..store import DatasetInfo, DatasetWriter, Track
from ..table import ClipInfo
from .arrays import check_arrays, read_arrays

MILLISECOND = SECOND // 1000
PAUSE = 1000 * MILLISECOND  # a longer gap in the stamps: another recording


@dataclass(frozen=True)
class Recording:
    """One recording as it was published."""

    name: str
    subject: str
    body: np.ndarray  # (F, 33, 4)
    labels: np.ndarray  # (F,) str, as published
    stamps: np.ndarray  # (F,) int64 nanoseconds


def read_recordings(path: Path) -> list[Recording]:
    """Read a .npz of recordings one after the other, or of padded ones; see import_streams."""
    arrays = read_arrays(path)
    needed = {'pose', 'frame_label', 'time_ms', 'class_names'}
    if missing := needed - set(arrays):
        raise DataError(f'{path}: holds no {", ".join(sorted(missing))}')
    joints = (len(MEDIAPIPE_HOLISTIC.body), 4)
    if 'offset' in arrays:
        offset, frames = arrays['offset'], len(arrays['pose'])
        n = len(offset) - 1
        shapes = {'pose': (frames, *joints), 'frame_label': (frames,), 'time_ms': (frames,)}
        sound = n > 0 and (np.diff(offset) > 0).all() and 0 <= offset[0] <= offset[-1] <= frames
        pieces = [np.s_[a:b] for a, b in zip(offset[:-1], offset[1:], strict=True)]
    elif 'frames' in arrays:
        n, longest = arrays['pose'].shape[:2]
        shapes = {
            'pose': (n, longest, *joints),
            'frame_label': (n, longest),
            'time_ms': (n, longest),
        }
        sound = (arrays['frames'] > 0).all() and (arrays['frames'] <= longest).all()
        pieces = [(i, slice(int(count))) for i, count in enumerate(arrays['frames'])]
    else:
        raise DataError(f'{path}: holds neither offset nor frames, so where does one end?')
    check_arrays(path, arrays, shapes)
    if not sound:
        raise DataError(f'{path}: its recordings do not fit into its {shapes["pose"]} poses')
    classes = [str(name) for name in arrays['class_names']]
    label = arrays['frame_label']
    if label.dtype.kind not in 'iu':
        raise DataError(f'{path}: frame_label holds {label.dtype}, not whole numbers')
    names = next((arrays[k] for k in ('recording', 'root') if k in arrays), np.arange(n))
    people = next((arrays[k] for k in ('subject', 'person') if k in arrays), np.full(n, ''))
    if names.shape != (n,) or people.shape != (n,):
        raise DataError(f'{path}: not one recording name and one subject for {n} recordings')
    found = []
    for piece, name, subject in zip(pieces, names, people, strict=True):
        here = label[piece]
        if not 0 <= here.min() <= here.max() < len(classes):
            raise DataError(
                f'{path}: {name}: frame labels {here.min()} to {here.max()}, but '
                f'{len(classes)} class names'
            )
        stamps = arrays['time_ms'][piece].astype(np.int64) * MILLISECOND
        found.append(
            Recording(
                str(name),
                str(subject),
                arrays['pose'][piece],
                np.array(classes)[here],
                stamps - stamps[0],
            )
        )
    return found


def takes(recording: Recording) -> Iterator[tuple[str, slice]]:
    """Yield the parts of a recording between long gaps of its stamps, each with a name."""
    cuts = np.flatnonzero(np.diff(recording.stamps) > PAUSE) + 1
    ends = [0, *cuts.tolist(), len(recording.stamps)]
    for number, (first, last) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
        yield recording.name + (f'#{number}' if len(cuts) else ''), slice(first, last)


def import_streams(
    source: Path,
    to: Path,
    name: str,
    license: str,
    aspect: float,
    idle: str = '-',
    use: str = 'ship',
    unlabelled: list[str] = [],  # noqa: B006
    notes: list[str] = [],  # noqa: B006
) -> int:
    """Import untrimmed recordings of one body with a label for every frame; return their number.

    Stamps are those of the file, so a recording may slow down. Labels are those of the table,
    see `bharnet-train labels`. A gap of more than a second begins another recording.

    Args:
        source: a .npz with class_names, and either pose (F, 33, 4), frame_label (F,), time_ms
            (F,), offset (R + 1,) of R recordings one after the other; or pose (R, T, 33, 4),
            frame_label and time_ms (R, T), frames (R,). recording or root (R,) names them,
            subject or person (R,) the people.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        aspect: image height / width of the camera.
        idle: the class of people who do nothing known, as it is called here.
        use: ship, or measure for data that no model to be passed on may learn from.
        unlabelled: classes of the file that are no label: nobody knows what these frames show.
        notes: what else people should know.

    """
    if not aspect > 0:
        raise DataError(f'aspect is image height / width, a positive number, not {aspect}')
    recordings = read_recordings(source)
    spoken = {}
    for recording in recordings:
        for published in np.unique(recording.labels):
            label = label_of(str(published), name, recording.subject).name
            spoken[recording.subject, published] = '' if published in unlabelled else label
    classes = tuple(sorted(set(spoken.values()) - {''}))
    info = DatasetInfo(
        name,
        MEDIAPIPE_HOLISTIC.name,
        classes,
        license,
        idle if idle in classes else None,
        source.name,
        tuple(notes),
        use,
    )
    count = 0
    with DatasetWriter(to, info, hands=False, dtype='float16', stamped=True) as writer:
        for recording in progress(recordings, f'importing {name}'):
            labels = np.array([spoken[recording.subject, label] for label in recording.labels])
            for id, part in takes(recording):
                body = np.nan_to_num(recording.body[part].astype(np.float32))
                stamps = recording.stamps[part] - recording.stamps[part.start]
                seen = body.any((1, 2))
                mask = np.stack([seen, *2 * [np.zeros_like(seen)]], -1)
                seconds = (stamps[-1] - stamps[0]) / SECOND
                clip = ClipInfo(
                    id,
                    subject=recording.subject,
                    rate=round((len(stamps) - 1) / seconds, 3) if seconds else None,
                    aspect=aspect,
                )
                track = Track(body, mask, stamps=stamps)
                writer.add(clip, [track], segments_of(labels[part], stamps))
                count += 1
    return count
