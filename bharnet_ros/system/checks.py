"""Whether a report can be written, asked before the hours that it reports."""

import tempfile
from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise ValueError in one plain line if no file can be written there; leaves all as it is."""
    if not path.parent.is_dir():
        raise ValueError(f'cannot write {path}: no such folder: {path.parent}')
    if path.is_dir():
        raise ValueError(f'{path} is a folder: name a file in it')
    existed = path.exists()
    if existed and not path.is_file():
        return  # a pipe or device: to open it may wait for whoever reads
    try:
        path.open('ab').close()
    except OSError as error:
        raise ValueError(f'cannot write {path}: {error.strerror}') from error
    if not existed:
        path.resolve().unlink()  # of a link what it points to, not the link


def check_folder(folder: Path) -> None:
    """Raise ValueError in one plain line if no files can be written into it; leaves all as it is.

    It need not exist yet.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise ValueError(f'{nearest} is no folder: name another one for the report')
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        raise ValueError(f'cannot write into {nearest}: {error.strerror}') from error
