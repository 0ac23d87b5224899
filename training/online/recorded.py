"""Streams as they were recorded, with the truth that came with them."""

from collections.abc import Sequence

import numpy as np

from bharnet_ros.types import SECOND, Keypoints

from ..datasets.store import StoredDataset
from ..errors import DataError
from ..windows.clips import DatasetSource
from .streams import IDLE, KNOWN, LabelledStream, StreamSegment

WIDTH = 640  # pixels of the picture that keypoints are taken to come from
BREAK = 2 * SECOND  # between two recordings: longer than any window, so that each begins anew
PERSON = 'person'


def recorded_groups(sources: Sequence[DatasetSource]) -> dict[str, tuple[DatasetSource, str]]:
    """Return the groups of data sets of streams: data set and group, as 'gestures/a2'."""
    found = {}
    for source in sources:
        store = StoredDataset(source.path)
        if store.segments:
            for value in np.unique(store.column(source.group)):
                found[f'{store.info.name}/{value}'] = source, str(value)
    return found


def recorded_stream(source: DatasetSource, group: str, idle: str | None) -> LabelledStream:
    """Return all recordings of a group, one after the other, as one stream.

    Time that nobody labelled is of no segment. DataError if the group has no recording.
    """
    store = StoredDataset(source.path)
    rows = np.flatnonzero(store.column(source.group) == group)
    frames: list[Keypoints] = []
    segments: list[StreamSegment] = []
    begin = SECOND
    for i in rows:
        track = store.tracks(int(i))[0]
        stamps = np.asarray(track.stamps, np.int64)
        shift = begin - int(stamps[0])
        height = round(WIDTH * float(store.table['aspect'][i]))
        for stamp, body, seen in zip(stamps + shift, track.body, track.mask[:, 0], strict=True):
            shown = np.asarray(body, np.float32) if seen else None
            frames.append(Keypoints(int(stamp), WIDTH, height, PERSON if seen else '', shown))
        for segment in store.segments.get(str(store.table['id'][i]), ()):
            kind = IDLE if segment.label == idle else KNOWN
            start, stop = segment.start + shift, segment.stop + shift
            segments.append(StreamSegment(segment.label, kind, start, stop))
        begin = frames[-1].stamp + BREAK
    if not frames:
        raise DataError(f'{source.path}: no recording of {group!r}')
    return LabelledStream(frames, segments, 0)
