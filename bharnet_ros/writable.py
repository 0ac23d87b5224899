"""Whether a report can be written, asked before the hours that it reports."""

from pathlib import Path


def check_writable(path: Path) -> None:
    """Raise ValueError in one plain line if no file can be written there; leaves all as it is."""
    if not path.parent.is_dir():
        raise ValueError(f'no such folder: {path.parent}')
    if path.is_dir():
        raise ValueError(f'{path} is a folder: name a file in it')
    existed = path.exists()
    try:
        path.open('ab').close()
    except OSError as error:
        raise ValueError(f'cannot write {path}: {error.strerror}') from error
    if not existed:
        path.unlink()
