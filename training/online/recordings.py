"""All recordings of a person as one stream."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bharnet_ros.types import SECOND

from ..datasets.store import StoredDataset
from ..errors import DataError
from ..windows.clips import DatasetSource
from .streams import LabelledStream, recorded

BREAK = 2 * SECOND  # between two recordings: longer than any window, so that each begins anew


def recorded_groups(sources: Sequence[DatasetSource]) -> dict[str, tuple[DatasetSource, str]]:
    """Return the groups of those data sets that are of streams, by name, as 'gestures/a2'."""
    found = {}
    for source in sources:
        store = StoredDataset(source.path)
        if store.segments:
            for value in np.unique(store.column(source.group)):
                found[f'{store.info.name}/{value}'] = source, str(value)
    return found


def recorded_stream(source: DatasetSource, group: str, known: Sequence[str]) -> LabelledStream:
    """Return all recordings of a group, one after the other, but those at fault (copies).

    Args:
        source: a data set of streams.
        group: the value of its group column.
        known: the words that a model knows; other actions are unknown.

    """
    store = StoredDataset(source.path)
    frames, segments, begin = [], [], SECOND
    chosen = store.column(source.group) == group
    if 'fault' in store.table and not source.faults:
        chosen &= store.table['fault'] == ''
    for i in np.flatnonzero(chosen):
        one = recorded(store, int(i), known)
        shift = begin - one.frames[0].stamp
        frames += [replace(frame, stamp=frame.stamp + shift) for frame in one.frames]
        segments += [
            replace(item, start=item.start + shift, stop=item.stop + shift)
            for item in one.segments
        ]
        begin = frames[-1].stamp + BREAK
    if not frames:
        raise DataError(f'{source.path}: no recording of {group!r}')
    return LabelledStream(frames, segments, 0)
