"""Files that are there whole or not at all, and one line where a disk is full."""

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bharnet_ros.errors import BharnetError, reason_of


class WriteError(BharnetError):
    """A file that cannot be written; the text names it and says why."""


def sync_path(path: Path) -> None:
    """See a closed file, or the names in a folder, onto the disk; OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folders(folders: Iterable[Path]) -> None:
    """See the names in folders onto the disk, as far as their file systems can do that."""
    for folder in folders:
        with suppress(OSError):  # what is in the files is on the disk all the same
            sync_path(folder)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong while `path` is written into WriteError, which names it."""
    try:
        yield
    except OSError as error:
        raise WriteError(
            f'cannot write {path}: {error.strerror or reason_of(error)}; '
            'what was begun of it is removed'
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield the name to write under; the file gets its own when it is complete.

    Until then, and if anything goes wrong, what was there before stays as it is. WriteError if
    it cannot be written. The folder must be there. Pipes and devices are written as they are.
    """
    if path.exists() and not path.is_file():
        with explained(path):
            yield path
        return
    path = path.resolve()  # of a link what it points to, not the link
    # A short name, because that of the file may be as long as names can be; the suffix says the
    # format to whoever writes.
    partial = path.with_name(f'.partial-{secrets.token_hex(6)}{path.suffix}')
    try:
        with explained(path):
            yield partial
            sync_path(partial)  # before its name is: who loses power has one file or the other
            partial.replace(path)
        sync_folders([path.parent])
    finally:
        with suppress(OSError):
            partial.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a file whole; see `whole_file`."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding='utf-8')
