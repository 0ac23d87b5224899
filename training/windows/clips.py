"""Clips of one or several data sets: choosing, joining, cutting to windows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bharnet_ros.layouts import BodyHandLayout
from bharnet_ros.recognition.crops import pick_frames
from bharnet_ros.recognition.window import resample
from bharnet_ros.types import PARTS, Clip, CropShape

from ..datasets.labels import without_language
from ..datasets.store import DatasetInfo, StoredDataset
from ..errors import DataError
from .streams import Cut, as_clips


@dataclass(frozen=True)
class DatasetSource:
    """One data set and which of its clips to take."""

    path: Path  # folder in our format (docs/data_format.md)
    group: str = 'subject'  # column that names the person or session a clip belongs to
    where: dict[str, list[str]] = field(default_factory=dict)  # keep clips with these values ...
    without: list[str] = field(default_factory=list)  # ... but not these ids; 'prefix*' for many
    rate: float | None = None  # frames a second of clips whose table does not tell
    label: str | None = None  # take all clips as this class, whatever they show
    language: str | None = None  # its labels lose their prefix: ksl:no is no where ksl is spoken
    cut: Cut = field(default_factory=Cut)  # how streams become clips
    faults: bool = False  # take also clips that `look` found at fault
    idle_hands: float = 1.0  # keep an idle clip if hands show in at most this share of its frames

    def __post_init__(self):
        if self.rate is not None and not 0 < self.rate < float('inf'):
            raise ValueError(f'{self.path}: rate is frames a second, above 0, not {self.rate}')


@dataclass(frozen=True)
class Clips:
    """N labelled clips. Keypoints stay on disk; only the columns of the tables are in memory."""

    stores: tuple[StoredDataset, ...]
    store: np.ndarray  # (N,) int64, into stores
    index: np.ndarray  # (N,) int64, clip of that store
    label: np.ndarray  # (N,) int64, into class_names
    group: np.ndarray  # (N,) str: data set and group, as 'words10/0'
    rate: np.ndarray  # (N,) float64, frames a second; NaN where nobody knows
    class_names: tuple[str, ...]
    crops: CropShape | None = None  # the pictures that a window of them has; see `with_crops`

    def __len__(self) -> int:
        return len(self.label)

    @property
    def infos(self) -> tuple[DatasetInfo, ...]:
        """What is known of the data sets that the clips come from."""
        return tuple(store.info for store in self.stores)

    @property
    def layout(self) -> BodyHandLayout:
        """The common layout of all clips."""
        return self.stores[0].layout

    @property
    def persons(self) -> int:
        """The most persons of a clip."""
        return int(self.column('persons').max()) if len(self) else 1

    def column(self, name: str) -> np.ndarray:
        """Return a column of the tables, or 'group', for every clip, (N,)."""
        if name == 'group':
            return self.group
        parts = [store.column(name) for store in self.stores]
        result = np.empty(len(self), np.result_type(*parts))
        for number, part in enumerate(parts):
            here = self.store == number
            result[here] = part[self.index[here]]
        return result

    def select(self, keep: np.ndarray) -> 'Clips':
        """Return the clips that the boolean or integer array `keep` picks."""
        return replace(
            self,
            **{
                name: getattr(self, name)[keep]
                for name in ('store', 'index', 'label', 'group', 'rate')
            },
        )

    def seconds(self, i: int) -> float:
        """Return how long clip i lasts, from its first frame to its last; NaN if unknown."""
        frames = int(self.stores[self.store[i]].table['frames'][self.index[i]])
        return (frames - 1) / float(self.rate[i])

    def shows_hands(self, i: int) -> bool:
        """Return whether clip i shows a hand of anybody in any frame."""
        tracks = self.stores[self.store[i]].tracks(self.index[i])
        return any(bool(track.mask[:, 1:].any()) for track in tracks)

    def clip(self, i: int, start: float, stop: float, steps: int, person: int = 0) -> Clip:
        """Return the part of clip i from `start` to `stop` (0 to 1) at `steps` equal steps.

        A person that the clip does not have is one who was never seen. Pictures, if the clips
        have them, are of the first person.
        """
        store, index = self.stores[self.store[i]], self.index[i]
        n, aspect = int(store.table['frames'][index]), float(store.table['aspect'][index])
        layout = store.layout
        mask = np.zeros((steps, len(PARTS)), np.float32)
        sampled = {
            'body': np.zeros((steps, len(layout.body), layout.body_channels), np.float32),
            **{name: np.zeros((steps, len(layout.hand), 3), np.float32) for name in PARTS[1:]},
        }
        if person < store.table['persons'][index]:
            at = np.linspace(start, stop, steps) * (n - 1)
            # Only these frames are read. A gap is bridged from the nearest seen frame on either
            # side, which may lie outside: a few more frames, as far as the mask of the clip says.
            track = store.tracks(index)[person]
            for part, name in enumerate(PARTS):
                values, seen = getattr(track, name), track.mask[:, part]
                if values is None or not seen.any():
                    continue
                first, last = _reach(seen, at[0], at[-1])
                sampled[name], mask[:, part] = resample(
                    np.arange(first, last),
                    np.asarray(values[first:last], np.float32),
                    seen[first:last],
                    at,
                    max_gap=n,
                )
        shown = self.crops is not None and person == 0
        crops = self._pictures(i, start, stop) if shown else None
        return Clip(**sampled, mask=mask, aspect=aspect, crops=crops)

    def with_crops(self, shape: CropShape | None) -> 'Clips':
        """Return the clips with pictures, or without; DataError if their data sets lack them."""
        for info in self.infos if shape is not None else ():
            if (shape.rows, shape.size) != (info.crop_rows, info.crop_size):
                found = f'{info.crop_size} pixels of {", ".join(info.crop_rows)}'
                raise DataError(
                    f'the recipe looks at pictures of {shape.size} pixels of '
                    f'{", ".join(shape.rows)}, and {info.name} has '
                    f'{found if info.crop_rows else "none"}: extract it with --crops'
                )
        return replace(self, crops=shape)

    def _pictures(self, i: int, start: float, stop: float) -> np.ndarray:
        """Return the pictures of the first person of a part of clip i, as the robot chooses them.

        (K, R, S, S, 3) uint8, BGR; black where there is no frame that shows the person.
        """
        shape = self.crops
        assert shape is not None
        track = self.stores[self.store[i]].tracks(self.index[i])[0]
        last = len(track.mask) - 1
        chosen = pick_frames(
            np.arange(last + 1),
            track.mask[:, 0],
            start * last,
            stop * last,
            shape.frames,
            max_gap=last + 1,
        )
        pictures = np.zeros((shape.frames, *shape.shape), np.uint8)
        pictures[chosen >= 0] = track.crops[chosen[chosen >= 0]]
        return pictures


def _reach(seen: np.ndarray, first: float, last: float) -> tuple[int, int]:
    """Return the frames that sampling from `first` to `last` can touch: up to the next seen."""
    low, high = int(np.floor(first)), int(np.ceil(last))
    before, after = np.flatnonzero(seen[: low + 1]), np.flatnonzero(seen[high:])
    return (
        int(before[-1]) if len(before) else low,
        high + 1 + (int(after[0]) if len(after) else 0),
    )


def load_clips(source: DatasetSource, idle: str) -> Clips:
    """Open one data set; see `DatasetSource`. Raises DataError with what to do.

    Clips without a label, those at fault, and those that show a body in less than half of the
    frames, are left out: on the robot such a window never reaches the network. In a data set of
    hands alone a hand has to be seen instead. Streams are cut.
    """
    store = StoredDataset(source.path)
    if store.segments:
        store = as_clips(store, source.cut)
    keep = store.table['label'] != ''
    if 'fault' in store.table and not source.faults:
        keep &= store.table['fault'] == ''
    for name, values in source.where.items():
        if missing := set(values) - set(store.column(name).tolist()):
            raise DataError(f'{source.path}: where: no clip has {name} {sorted(missing)}')
        keep &= np.isin(store.column(name), values)
    for pattern in source.without:
        ids = store.table['id']
        hit = np.char.startswith(ids, pattern[:-1]) if pattern.endswith('*') else ids == pattern
        if not hit.any():
            raise DataError(f'{source.path}: without: no clip is called {pattern!r}')
        keep &= ~hit
    mask = store.maps['mask']
    row, persons, frames, label = (
        store.table[name] for name in ('row', 'persons', 'frames', 'label')
    )
    bodies = mask[:, 0].any()
    for i in np.flatnonzero(keep):
        size = persons[i] * frames[i]
        seen = mask[row[i] : row[i] + size].reshape(persons[i], frames[i], -1).any(0)
        shown = seen[:, 0] if bodies else seen.any(1)
        keep[i] = shown.mean() >= 0.5 and (
            label[i] != idle or seen[:, 1:].any(1).mean() <= source.idle_hands
        )
    index = np.flatnonzero(keep)
    names = store.info.classes
    if 'label' in source.where:
        names = tuple(name for name in names if name in source.where['label'])
    order = {name: k for k, name in enumerate(names)}
    label = np.array([order[label] for label in store.table['label'][index]], np.int64)
    if source.language is not None:
        names = tuple(without_language(name, source.language) for name in names)
    if source.label is not None:
        names, label = (source.label,), np.zeros(len(index), np.int64)
    rate = store.column('rate')[index].astype(np.float64)
    if source.rate is not None:
        rate[np.isnan(rate)] = source.rate
    return Clips(
        (store,),
        np.zeros(len(index), np.int64),
        index,
        label,
        np.array(
            [f'{store.info.name}/{value}' for value in store.column(source.group)[index]],
            dtype=str,
        ),
        rate,
        names,
    )


def require_rate(clips: Clips) -> None:
    """Raise DataError if nobody knows how fast some clips are."""
    if unknown := sorted(
        {
            store.info.name
            for number, store in enumerate(clips.stores)
            if np.isnan(clips.rate[clips.store == number]).any()
        }
    ):
        raise DataError(
            f'how fast the clips of {", ".join(unknown)} are is not known: give '
            'their sources a rate, in frames a second'
        )


def merge(parts: list[Clips], classes: Sequence[str] | None = None) -> Clips:
    """Join sets under the union of their class names, or keep only clips of `classes`."""
    if len({part.layout.name for part in parts}) > 1:
        raise DataError(
            'data sets of different layouts cannot be joined: '
            + ', '.join(f'{part.infos[0].name} is {part.layout.name}' for part in parts)
        )
    union = tuple(dict.fromkeys(name for part in parts for name in part.class_names))
    names = tuple(classes or union)
    if missing := set(names) - set(union):
        raise DataError(f'no clips of {sorted(missing)}; there are {list(union)}')
    parts = [part.select(np.isin(np.array(part.class_names)[part.label], names)) for part in parts]
    offsets = np.cumsum([0, *(len(part.stores) for part in parts)])
    return Clips(
        tuple(store for part in parts for store in part.stores),
        np.concatenate(
            [part.store + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
        ),
        np.concatenate([part.index for part in parts]),
        np.concatenate(
            [
                np.array([names.index(part.class_names[k]) for k in part.label], np.int64)
                for part in parts
            ]
        ),
        np.concatenate([part.group for part in parts]),
        np.concatenate([part.rate for part in parts]),
        names,
    )
