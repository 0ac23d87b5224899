"""The table of a data set's clips, clips.csv. See docs/data_format.md."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bharnet_ros.system.writing import whole_file

from ..errors import DataError

TABLE = 'clips.csv'
TEXT = ('id', 'label', 'subject', 'camera', 'session', 'setup', 'license')
NUMBERS = ('rate', 'aspect')
COUNTS = ('persons', 'frames', 'row')
COLUMNS = (*TEXT, *NUMBERS, *COUNTS)


@dataclass(frozen=True)
class ClipInfo:
    """One row of the table of clips; what is not known stays empty."""

    id: str
    label: str = ''  # a class name, or '' for none
    subject: str = ''
    camera: str = ''
    session: str = ''
    setup: str = ''
    rate: float | None = None  # frames a second
    aspect: float = 1.0  # image height / width; 1 in metric space
    license: str = ''  # if it is not the data set's
    extra: dict[str, str] = field(default_factory=dict)  # further columns


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write clips.csv into the folder `path`; columns that only some rows have are empty else."""
    names = [*COLUMNS, *dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)]
    with (path / TABLE).open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, names, restval='')
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Read clips.csv into one array a column: text, or numbers where they are meant."""
    file = path / TABLE
    try:
        with file.open(newline='', encoding='utf-8') as stream:
            reader = csv.reader(stream)
            names = next(reader)
            rows = list(reader)
    except (OSError, StopIteration, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{file}: cannot be read ({error})') from error
    if missing := set(COLUMNS) - set(names):
        raise DataError(f'{file}: no column {sorted(missing)}')
    for number, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise DataError(f'{file}: line {number} has {len(row)} fields, not {len(names)}')
    columns = (
        dict(zip(names, zip(*rows, strict=True), strict=True))
        if rows
        else dict.fromkeys(names, ())
    )
    table = {}
    for name, values in columns.items():
        try:
            if name in COUNTS:
                table[name] = np.array([int(v) for v in values], np.int64)
            elif name in NUMBERS:
                table[name] = np.array([float(v) if v else np.nan for v in values], np.float64)
            else:
                table[name] = np.array(values, dtype=str)
        except ValueError as error:
            raise DataError(f'{file}: {name}: {error}') from error
    return table


def set_column(path: Path, name: str, values: Sequence[str]) -> None:
    """Write one further column of clips.csv anew, a value for each clip in its order.

    The file is replaced at once: who reads it meanwhile sees the old one or the new one.
    """
    file = path / TABLE
    with file.open(newline='', encoding='utf-8') as stream:
        reader = csv.DictReader(stream)
        names, rows = list(reader.fieldnames or ()), list(reader)
    if name in COLUMNS or len(values) != len(rows):
        raise DataError(f'{file}: {len(values)} values of {name!r} for {len(rows)} clips')
    with whole_file(file) as partial, partial.open('w', newline='', encoding='utf-8') as stream:
        writer = csv.DictWriter(stream, [*dict.fromkeys([*names, name])])
        writer.writeheader()
        writer.writerows(row | {name: value} for row, value in zip(rows, values, strict=True))
