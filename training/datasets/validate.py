"""Faults of a data set on disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bharnet_ros.types import PARTS

from ..errors import DataError
from .segments import SEGMENTS, segment_faults
from .store import INFO, STAMPS, StoredDataset
from .table import TABLE

CHUNK = 65536  # rows that are held in memory


def _faults_of_rows(store: StoredDataset) -> Iterator[str]:
    maps = store.maps
    for start in range(0, len(maps['mask']), CHUNK):
        here = slice(start, start + CHUNK)
        mask = maps['mask'][here]
        for part, name in enumerate(PARTS):
            if name not in maps:
                if mask[:, part].any():
                    yield f'mask.npy: shows {name}, but there is no {name}.npy'
                continue
            rows = maps[name][here].reshape(len(mask), -1)
            for what, bad in (
                ('NaN or infinity', ~np.isfinite(rows).all(1)),
                ('not zero where mask is False', rows.any(1) & ~mask[:, part]),
            ):
                if bad.any():
                    yield f'{name}.npy: row {start + int(bad.argmax())}: {what}'


def find_faults(path: Path) -> list[str]:
    """Return all faults of a data set as 'file: field: what is wrong'; none if it is sound."""
    try:
        store = StoredDataset(path)
    except DataError as error:
        return [str(error)]
    table, faults = store.table, []

    def check(field_name: str, bad: np.ndarray, what: str) -> None:
        for i in np.flatnonzero(bad)[:3]:
            faults.append(f'{TABLE}: {field_name}: line {i + 2} ({table["id"][i]}): {what}')

    _, first, count = np.unique(table['id'], return_index=True, return_counts=True)
    check(
        'id',
        np.isin(np.arange(len(store)), first[count > 1]) | (table['id'] == ''),
        'empty, or taken by another clip',
    )
    known = np.isin(table['label'], [*store.info.classes, ''])
    check('label', ~known, f'not one of the classes in {INFO}')
    check('rate', ~(np.isnan(table['rate']) | (table['rate'] > 0)), 'not a positive number')
    check('aspect', ~(table['aspect'] > 0), 'not a positive number')
    for name in ('persons', 'frames'):
        check(name, table[name] < 1, 'not at least 1')
    if store.info.idle is not None and store.info.idle not in store.info.classes:
        faults.append(f'{INFO}: idle: {store.info.idle!r} is not one of the classes')
    order = np.argsort(table['row'], kind='stable')
    ends = (table['row'] + table['persons'] * table['frames'])[order]
    overlap = np.zeros(len(store), bool)
    overlap[order[1:]] = table['row'][order][1:] < ends[:-1]
    check('row', overlap, 'overlaps another clip')
    for id, segments in store.segments.items():
        if id not in table['id']:
            faults.append(f'{SEGMENTS}: id: {id!r} is no clip')
        faults += [
            f'{SEGMENTS}: {id}: {what}' for what in segment_faults(segments, store.info.classes)
        ]
    expected = {
        INFO,
        TABLE,
        SEGMENTS,
        STAMPS,
        'mask.npy',
        *(f'{name}.npy' for name in store.shapes),
    }
    faults += [
        f'{file.name}: does not belong here'
        for file in sorted(path.iterdir())
        if file.name not in expected
    ]
    return faults + list(_faults_of_rows(store))
