"""Import the public data sets that are at hand, each as public.yaml says."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...errors import DataError
from ..store import INFO, read_info
from .arrays import import_arrays
from .nucla import import_nucla
from .streams import import_streams

MANIFEST = Path(__file__).parents[1] / 'public.yaml'
IMPORTERS = {'arrays': import_arrays, 'streams': import_streams, 'nucla': import_nucla}


@dataclass(frozen=True)
class PublicSet:
    """One public data set, where its file lies, and how it is imported."""

    name: str
    importer: str  # one of IMPORTERS
    file: str  # below the folder of all of them
    options: dict[str, object] = field(default_factory=dict)  # of the importer

    def import_from(self, folder: Path, to: Path) -> int:
        """Import into the folder `to`; return the number of clips or recordings."""
        run: Callable[..., int] = IMPORTERS[self.importer]
        options = dict(self.options)
        if self.importer != 'nucla':
            options['name'] = self.name
        if 'licences' in options:
            options['licences'] = folder / str(options['licences'])
        return run(source=folder / self.file, to=to, **options)


def read_manifest(path: Path = MANIFEST) -> list[PublicSet]:
    """Read the list of public data sets."""
    return [PublicSet(**entry) for entry in yaml.safe_load(path.read_text(encoding='utf-8'))]


def _is_current(folder: Path) -> bool:
    """Tell whether a data set was written since each says what it may be used for."""
    return 'use' in json.loads((folder / INFO).read_text(encoding='utf-8'))


def import_public(source: Path, to: Path, only: list[str] = []) -> None:  # noqa: B006
    """Import the public data sets that are found; those that are there already stay as they are.

    Args:
        source: folder of the published files, see training/datasets/public.yaml.
        to: folder of the data sets.
        only: names of the data sets that are wanted; empty: all.

    """
    sets = read_manifest()
    if unknown := set(only) - {item.name for item in sets}:
        raise DataError(
            f'no public data set {sorted(unknown)}; there are {[item.name for item in sets]}'
        )
    to.mkdir(parents=True, exist_ok=True)
    there = 0
    for item in sets:
        if only and item.name not in only:
            continue
        folder = to / item.name
        if folder.exists():
            if not _is_current(folder):
                raise DataError(
                    f'{folder} was imported by an older version; remove it and run this again'
                )
            print(f'{item.name}: there already', flush=True)
        elif not (source / item.file).exists():
            print(f'{item.name}: no {source / item.file}', flush=True)
            continue
        else:
            began = time.monotonic()
            count = item.import_from(source, folder)
            print(
                f'{item.name}: {count} clips or recordings, {len(read_info(folder).classes)} '
                f'classes, {time.monotonic() - began:.1f} s',
                flush=True,
            )
        there += 1
    if not there:
        raise DataError(f'no public data set under {source}; say where they are')
