"""What is true of a recording, stretch by stretch: the common truth of all streams."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError

SEGMENTS = 'segments.csv'
COLUMNS = ('id', 'label', 'start', 'stop')


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that shows one thing. What no segment covers is not labelled."""

    label: str
    start: int  # stamp of its first frame, nanoseconds
    stop: int  # stamp of the first frame after it


def segment_faults(segments: Sequence[Segment], classes: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the segments of one recording."""
    last = None
    for segment in segments:
        if segment.label not in classes:
            yield f'segment label {segment.label!r} is not among the classes'
        if segment.stop <= segment.start or (last is not None and segment.start < last):
            yield f'segment {segment.start} to {segment.stop} is empty, or overlaps the one before'
        last = segment.stop


def write_segments(path: Path, segments: dict[str, Sequence[Segment]]) -> None:
    """Write the segments of each recording, if there are any, into the folder of a data set."""
    if not any(segments.values()):
        return
    with (path / SEGMENTS).open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for id, items in segments.items():
            writer.writerows((id, *astuple(item)) for item in items)


def read_segments(path: Path) -> dict[str, tuple[Segment, ...]]:
    """Read the segments of a data set, if it has any: id of a recording to its segments."""
    file = path / SEGMENTS
    if not file.is_file():
        return {}
    found: dict[str, list[Segment]] = {}
    try:
        with file.open(newline='', encoding='utf-8') as stream:
            reader = csv.reader(stream)
            if tuple(next(reader, ())) != COLUMNS:
                raise DataError(f'{file}: its columns are not {", ".join(COLUMNS)}')
            for number, row in enumerate(reader, start=2):
                try:
                    id, label, start, stop = row
                    found.setdefault(id, []).append(Segment(label, int(start), int(stop)))
                except ValueError as error:
                    raise DataError(f'{file}: line {number}: {error}') from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{file}: cannot be read ({error})') from error
    return {id: tuple(items) for id, items in found.items()}


def segments_of(labels: Sequence[str], stamps: np.ndarray) -> tuple[Segment, ...]:
    """Return runs of equal labels; '' is time that nobody labelled.

    Args:
        labels: of every frame, (F,).
        stamps: of the frames, (F,) int64 nanoseconds, rising.

    """
    labels = np.asarray(labels, str)
    first = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]]) if len(labels) else []
    after = [*first[1:], len(labels)] if len(labels) else []
    return tuple(
        Segment(str(labels[a]), int(stamps[a]), end_of(stamps, b))
        for a, b in zip(first, after, strict=True)
        if labels[a]
    )


def end_of(stamps: np.ndarray, after: int) -> int:
    """Return when frame `after` begins; behind the last frame, one usual period after it."""
    if after < len(stamps):
        return int(stamps[after])
    period = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 1
    return int(stamps[-1]) + max(period, 1)


def labels_at(segments: Sequence[Segment], stamps: np.ndarray) -> np.ndarray:
    """Return the label of every stamp, (F,) str; '' where no segment is."""
    if not segments:
        return np.full(len(stamps), '')
    starts = np.array([segment.start for segment in segments])
    stops = np.array([segment.stop for segment in segments])
    names = np.array([segment.label for segment in segments])
    at = np.searchsorted(starts, stamps, 'right') - 1
    inside = (at >= 0) & (stamps < stops[at])
    return np.where(inside, names[at], '')
