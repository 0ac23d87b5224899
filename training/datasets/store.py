"""A data set on disk: table of clips, memory-mapped keypoints. See docs/data_format.md."""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from bharnet_ros.layouts import DATA_LAYOUTS, BodyHandLayout
from bharnet_ros.system.writing import explained
from bharnet_ros.types import PARTS

from ..errors import DataError
from .segments import Segment, read_segments, segment_faults, write_segments
from .table import COLUMNS, TABLE, ClipInfo, read_table, write_table

SCHEMA_VERSION = 1
INFO, STAMPS, CROPS = 'dataset.json', 'stamps.npy', 'crops.npy'
TUPLES = ('classes', 'notes', 'crop_rows')  # of dataset.json, where JSON has lists
USES = ('ship', 'measure')
HAND_CHANNELS = 3


@dataclass(frozen=True)
class DatasetInfo:
    """What is true of a whole data set."""

    name: str
    layout: str  # a name in layouts.DATA_LAYOUTS
    classes: tuple[str, ...]
    license: str
    idle: str | None = None  # the class of people who do nothing known
    source: str = ''
    notes: tuple[str, ...] = ()
    use: str = 'ship'  # 'measure': no model that is passed on may learn from it
    crop_rows: tuple[str, ...] = ()  # the parts of people of which crops.npy holds pictures
    crop_size: int = 0  # pixels of a side of those


@dataclass(frozen=True)
class Track:
    """One person over the F frames of a clip; a part is zero where its mask is False."""

    body: np.ndarray  # (F, V, C), C = 4 in image space and 3 in metric space
    mask: np.ndarray  # (F, 3) bool: body, left hand, right hand
    left_hand: np.ndarray | None = None  # (F, 21, 3)
    right_hand: np.ndarray | None = None
    stamps: np.ndarray | None = None  # (F,) int64 nanoseconds, rising; None: frames are even
    crops: np.ndarray | None = None  # (F, R, S, S, 3) uint8, BGR, see recognition/crops.py


def part_shapes(layout: BodyHandLayout, hands: bool) -> dict[str, tuple[int, int]]:
    """Return the shape of one row of each file."""
    shapes = {'body': (len(layout.body), layout.body_channels)}
    if hands:
        shapes |= dict.fromkeys(PARTS[1:], (len(layout.hand), HAND_CHANNELS))
    return shapes


def crop_shape(info: DatasetInfo) -> tuple[int, int, int, int]:
    """Return the shape of one row of crops.npy, (R, S, S, 3)."""
    return len(info.crop_rows), info.crop_size, info.crop_size, 3


class _Column:
    """An .npy file that grows row by row; its length is written when it is closed."""

    HEADER = 128

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str):
        self.shape, self.dtype, self.rows = shape, np.dtype(dtype), 0
        self.file = path.open('wb')
        self.file.write(b' ' * self.HEADER)

    def append(self, rows: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(rows, self.dtype).tobytes())
        self.rows += len(rows)

    def close(self) -> None:
        """Write the header of format 1.0, padded to the room that was left for it."""
        text = repr(
            {'descr': self.dtype.str, 'fortran_order': False, 'shape': (self.rows, *self.shape)}
        )
        header = text.encode('latin1')
        room = self.HEADER - 10
        self.file.seek(0)
        self.file.write(
            b'\x93NUMPY\x01\x00' + room.to_bytes(2, 'little') + header.ljust(room - 1) + b'\n'
        )
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def give_up(self) -> None:
        """Close the file as it is; nothing happens if it is closed already."""
        with suppress(OSError):  # what is still buffered has no room
            self.file.close()


class DatasetWriter:
    """Writes a data set clip by clip; use it in a `with` block.

    Everything goes to PATH.partial first. Leaving the block without an error makes PATH appear,
    complete, by one rename; an error leaves nothing behind.
    """

    def __init__(
        self,
        path: Path,
        info: DatasetInfo,
        hands: bool = True,
        dtype: str = 'float32',
        stamped: bool = False,
    ):
        """Begin a data set in the folder `path`, which must not exist yet.

        `stamped`: every clip comes with the stamps of its frames.
        """
        if info.use not in USES:
            raise DataError(f'use is one of {", ".join(USES)}, not {info.use!r}')
        if info.layout not in DATA_LAYOUTS:
            raise DataError(f'layout {info.layout!r} is not one of {", ".join(DATA_LAYOUTS)}')
        if path.exists():
            raise DataError(f'{path} exists already; remove it or choose another folder')
        self.path, self.info, self.ids, self.row = path, info, set(), 0
        self.shapes = part_shapes(DATA_LAYOUTS[info.layout], hands)
        self.partial = path.with_name(path.name + '.partial')
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        self.columns = {
            name: _Column(self.partial / f'{name}.npy', shape, dtype)
            for name, shape in self.shapes.items()
        }
        self.columns['mask'] = _Column(self.partial / 'mask.npy', (len(PARTS),), 'bool')
        if stamped:
            self.columns['stamps'] = _Column(self.partial / STAMPS, (), 'int64')
        if info.crop_rows:
            self.columns['crops'] = _Column(self.partial / CROPS, crop_shape(info), 'uint8')
        self.table: list[dict[str, object]] = []
        self.segments: dict[str, Sequence[Segment]] = {}

    def __enter__(self) -> 'DatasetWriter':
        return self

    def add(
        self, clip: ClipInfo, tracks: Sequence[Track], segments: Sequence[Segment] = ()
    ) -> None:
        """Append a clip of one or more persons; DataError says what is wrong with it.

        A recording with several actions has no label of its own, but `segments` in the order of
        time, which do not overlap.
        """

        def refuse(what: str) -> None:
            raise DataError(f'clip {clip.id!r}: {what}')

        if not clip.id or clip.id in self.ids:
            refuse('its id is empty or taken')
        if clip.label and clip.label not in self.info.classes:
            refuse(f'label {clip.label!r} is not among the classes')
        if not tracks or not len(tracks[0].mask):
            refuse('it has no frames')
        frames = len(tracks[0].mask)
        rows = []
        for track in tracks:
            if track.mask.shape != (frames, len(PARTS)) or track.mask.dtype != bool:
                refuse(
                    f'mask is {track.mask.dtype} {track.mask.shape}, not bool '
                    f'{(frames, len(PARTS))}'
                )
            row = {'mask': track.mask}
            for part, name in enumerate(PARTS):
                values, seen = getattr(track, name), track.mask[:, part]
                if name not in self.shapes or values is None:
                    if seen.any():
                        refuse(f'the mask shows {name}, of which there is no array')
                    if name in self.shapes:
                        row[name] = np.zeros((frames, *self.shapes[name]))
                    continue
                if values.shape != (frames, *self.shapes[name]):
                    refuse(f'{name} has shape {values.shape}, not {(frames, *self.shapes[name])}')
                if not np.isfinite(values).all():
                    refuse(f'{name} holds NaN or infinity')
                if values[~seen].any():
                    refuse(f'{name} is not zero where its mask is False')
                row[name] = values
            if 'stamps' in self.columns:
                if track.stamps is None or track.stamps.shape != (frames,):
                    refuse('it has no stamp for every frame')
                if (np.diff(track.stamps) <= 0).any():
                    refuse('its stamps do not rise')
                row['stamps'] = track.stamps
            if 'crops' in self.columns:
                wanted = (frames, *crop_shape(self.info))
                if track.crops is None or track.crops.shape != wanted:
                    refuse(f'its crops are not of shape {wanted}')
                row['crops'] = track.crops
            rows.append(row)
        for what in segment_faults(segments, self.info.classes):
            refuse(what)
        if segments and (len(tracks) > 1 or 'stamps' not in self.columns):
            refuse('segments are for recordings of one person with stamps')
        data = asdict(clip)
        extra = data.pop('extra')
        if taken := set(extra) & set(COLUMNS):
            refuse(f'extra columns must not be called {sorted(taken)}')
        # Nothing is refused from here on: a refused clip must leave no rows behind.
        with explained(self.path):
            for row in rows:
                for name, values in row.items():
                    self.columns[name].append(values)
        self.ids.add(clip.id)
        self.segments[clip.id] = segments
        self.table.append(
            data
            | {
                'rate': '' if clip.rate is None else clip.rate,
                'persons': len(tracks),
                'frames': frames,
                'row': self.row,
            }
            | extra
        )
        self.row += len(tracks) * frames

    def drop_empty_classes(self) -> list[str]:
        """Forget the classes of which no clip was added, and return them."""
        used = {row['label'] for row in self.table}
        empty = [name for name in self.info.classes if name not in used]
        self.info = replace(
            self.info,
            classes=tuple(name for name in self.info.classes if name in used),
            idle=self.info.idle if self.info.idle in used else None,
        )
        return empty

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                if not self.table:
                    raise DataError(f'{self.path}: no clip to write')
                with explained(self.path):
                    self._complete()
        finally:
            for column in self.columns.values():
                column.give_up()
            shutil.rmtree(self.partial, ignore_errors=True)

    def _complete(self) -> None:
        for column in self.columns.values():
            column.close()
        write_table(self.partial, self.table)
        write_segments(self.partial, self.segments)
        text = json.dumps(
            {'schema_version': SCHEMA_VERSION} | asdict(self.info), indent=1, ensure_ascii=False
        )
        (self.partial / INFO).write_text(text + '\n', encoding='utf-8')
        self.partial.rename(self.path)


def read_info(path: Path) -> DatasetInfo:
    """Read dataset.json; DataError in one line if it is not there or not sound."""
    file = path / INFO
    if not file.is_file():
        raise DataError(
            f'{path} is no data set: it holds no {INFO}; make one with '
            '`bharnet-train import` or `bharnet-train extract`'
        )
    try:
        data = json.loads(file.read_text(encoding='utf-8'))
        version = data.pop('schema_version')
        if version != SCHEMA_VERSION:
            raise DataError(
                f'{file}: schema_version {version}, this version reads '
                f'{SCHEMA_VERSION}; import the data again'
            )
        known = {item.name for item in fields(DatasetInfo)}
        info = DatasetInfo(
            **{
                key: tuple(value) if key in TUPLES else value
                for key, value in data.items()
                if key in known
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f'{file}: {error}') from error
    if info.layout not in DATA_LAYOUTS:
        raise DataError(f'{file}: layout {info.layout!r} is not one of {", ".join(DATA_LAYOUTS)}')
    if not info.classes or len(set(info.classes)) != len(info.classes):
        raise DataError(f'{file}: classes: none, or one twice')
    if info.use not in USES:
        raise DataError(f'{file}: use is one of {", ".join(USES)}, not {info.use!r}')
    return info


class StoredDataset:
    """A data set opened for reading: the table in memory, keypoints mapped from disk."""

    def __init__(self, path: Path):
        """Open the folder `path`; DataError in one line if it is not a sound data set."""
        self.path, self.info, self.table = path, read_info(path), read_table(path)
        self.layout = DATA_LAYOUTS[self.info.layout]
        self.shapes = part_shapes(self.layout, (path / 'left_hand.npy').exists())
        self.segments = read_segments(path)
        self._maps: dict[str, np.ndarray] = {}
        rows = self.maps['mask'].shape[0]
        last = self.table['row'] + self.table['persons'] * self.table['frames']
        if len(self) and (self.table['row'].min() < 0 or last.max() > rows):
            raise DataError(
                f'{path / TABLE}: row: a clip ends at row {last.max()}, but mask.npy has {rows}'
            )

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The memory-mapped arrays, opened anew in every process."""
        if not self._maps:
            shapes = self.shapes | {'mask': (len(PARTS),)}
            if (self.path / STAMPS).exists():
                shapes['stamps'] = ()
            if self.info.crop_rows:
                shapes['crops'] = crop_shape(self.info)
            for name, shape in shapes.items():
                file = self.path / f'{name}.npy'
                try:
                    array = np.load(file, mmap_mode='r', allow_pickle=False)
                except (OSError, ValueError, EOFError) as error:
                    raise DataError(f'{file}: cannot be read ({error})') from error
                if array.shape[1:] != shape:
                    raise DataError(f'{file}: rows of shape {array.shape[1:]}, not {shape}')
                self._maps[name] = array
            if len({len(array) for array in self._maps.values()}) > 1:
                raise DataError(f'{self.path}: its .npy files differ in length')
        return self._maps

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {'_maps': {}}

    def __len__(self) -> int:
        return len(self.table['id'])

    def column(self, name: str) -> np.ndarray:
        """Return a column of the table, (N,); DataError names those that there are."""
        if name not in self.table:
            raise DataError(
                f'{self.path / TABLE} has no column {name!r}; there are {", ".join(self.table)}'
            )
        return self.table[name]

    def tracks(self, i: int, first: int = 0, last: int | None = None) -> list[Track]:
        """Return the persons of clip i from frame `first` to before `last`, as views."""
        row, persons, frames = (int(self.table[name][i]) for name in ('row', 'persons', 'frames'))
        last = frames if last is None else min(last, frames)
        result = []
        for person in range(persons):
            here = slice(row + person * frames + first, row + person * frames + last)
            result.append(Track(**{name: array[here] for name, array in self.maps.items()}))
        return result
