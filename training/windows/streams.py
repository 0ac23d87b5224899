"""Streams with true labels, and the one function that cuts clips, windows and events from them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bharnet_ros.types import SECOND

from ..datasets.segments import Segment, end_of, labels_at
from ..datasets.store import StoredDataset
from .strokes import WAYS, only_strokes


@dataclass(frozen=True)
class Cut:
    """How streams are cut: into their segments, or into windows of equal length."""

    seconds: float | None = None  # of a window; null: a clip for each segment
    hop: float = 0.25  # seconds from the end of one window to the end of the next
    longest: float | None = 4.0  # seconds of a clip: a longer segment gives several; null: whole
    begun: float = 0.3  # seconds of an action after which a window can know it
    lag: float = 0.0  # how long before its end a window shows what it is called, seconds
    # Labels that also cover the way there and back, and what of it counts: up, down, or held.
    strokes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        for name in ('seconds', 'hop', 'longest'):
            value = getattr(self, name)
            if value is not None and not 0 < value < float('inf'):
                raise ValueError(f'cut: {name} is in seconds, above 0, not {value}')
        if wrong := set(self.strokes.values()) - set(WAYS):
            raise ValueError(f'cut: a stroke is {", ".join(WAYS)}, not {min(wrong)}')
        if not 0 <= self.lag <= self.begun < float('inf'):
            raise ValueError(
                'cut: lag and begun are in seconds, not below 0, and lag is not above begun; not '
                f'{self.lag} and {self.begun}'
            )


WHOLE = Cut(longest=None)  # one piece for each segment: what has to be found in a stream


@dataclass(frozen=True)
class Piece:
    """Frames `first` to before `last` of a stream, called what they show, a window at its end."""

    first: int
    last: int
    label: str
    start: int  # stamp of the first frame, nanoseconds
    stop: int  # stamp of the first frame after it


def cut(stamps: np.ndarray, segments: Sequence[Segment], how: Cut) -> list[Piece]:
    """Cut one stream.

    Every frame of a clip has the clip's label. A window has the label of the frame that is `lag`
    older than its newest one, and is left out where that cannot be known: nobody labelled it, or
    its segment began less than `begun` seconds before the window's end (unless it shows nothing
    else).

    Args:
        stamps: of the frames, (F,) int64 nanoseconds, rising.
        segments: what is true, in the order of time.
        how: into what.

    """
    if how.seconds is None:
        return [piece for segment in segments for piece in _parts(stamps, segment, how.longest)]
    labels = labels_at(segments, stamps)
    length, hop, lag = (round(value * SECOND) for value in (how.seconds, how.hop, how.lag))
    starts = {segment.start for segment in segments}
    found = []
    for end in range(int(stamps[0]) + length, int(stamps[-1]) + 1, hop):
        first = int(np.searchsorted(stamps, end - length))
        last = int(np.searchsorted(stamps, end, 'right'))
        named = max(int(np.searchsorted(stamps, stamps[last - 1] - lag, 'right')) - 1, first)
        label = labels[named]
        if not label or last - first < 2:
            continue
        begins = max(start for start in starts if start <= stamps[named])
        if begins > stamps[first] and stamps[last - 1] - begins < how.begun * SECOND:
            continue
        found.append(_piece(stamps, first, last, str(label)))
    return found


def _piece(stamps: np.ndarray, first: int, last: int, label: str) -> Piece:
    return Piece(first, last, label, int(stamps[first]), end_of(stamps, last))


def _parts(stamps: np.ndarray, segment: Segment, longest: float | None) -> list[Piece]:
    first, last = np.searchsorted(stamps, [segment.start, segment.stop])
    if first == last:
        return []
    length = (segment.stop - segment.start) / SECOND
    count = 1 if longest is None else min(int(np.ceil(length / longest)), last - first)
    edges = np.linspace(first, last, count + 1).round().astype(int)
    return [
        _piece(stamps, int(a), int(b), segment.label)
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def events(segments: Sequence[Segment], idle: str | None) -> list[Segment]:
    """Return what a recogniser has to find in a stream: all segments but those of idle people."""
    return [segment for segment in segments if segment.label != idle]


def as_clips(store: StoredDataset, how: Cut) -> StoredDataset:
    """Return a data set of streams as one of clips: its recordings cut, the keypoints the same.

    A piece is called RECORDING@MILLISECONDS and keeps the other columns of its recording.
    """
    rows, pieces = [], []
    stamps = store.maps['stamps']
    for i, id in enumerate(store.table['id']):
        row, frames = int(store.table['row'][i]), int(store.table['frames'][i])
        segments = store.segments.get(str(id), ())
        if how.strokes:
            joints = [store.layout.body.index(f'{side}_wrist') for side in ('left', 'right')]
            wrists = store.tracks(i)[0].body[:, joints, 1]
            heights = -np.asarray(wrists, np.float32).min(1)
            segments = only_strokes(segments, stamps[row : row + frames], heights, how.strokes)
        for piece in cut(stamps[row : row + frames], segments, how):
            rows.append(i)
            pieces.append(piece)
    rows = np.array(rows, int)
    first = np.array([piece.first for piece in pieces], np.int64)
    last = np.array([piece.last for piece in pieces], np.int64)
    seconds = np.array([piece.stop - piece.start for piece in pieces]) / SECOND
    table = {name: values[rows] for name, values in store.table.items()}
    table |= {
        'id': np.array(
            [
                f'{store.table["id"][i]}@{piece.start // 1_000_000}'
                for i, piece in zip(rows, pieces, strict=True)
            ],
            dtype=str,
        ),
        'label': np.array([piece.label for piece in pieces], dtype=str),
        'row': table['row'] + first,
        'frames': last - first,
        'rate': (last - first) / np.maximum(seconds, 1e-9),
    }
    cut_store = copy.copy(store)
    cut_store.table, cut_store.segments = table, {}
    return cut_store
