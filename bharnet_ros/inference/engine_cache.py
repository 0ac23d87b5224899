"""TensorRT engines on disk: built once for a model, a GPU and the versions of the libraries."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import TextIO

from bharnet_ros.system.places import cache_home

MANIFEST = 'manifest.json'  # sha256 of each file by name, written when the engine has run
MIN_FREE = 200_000_000  # bytes on the disk; an engine of ours has some tens of MB
MAX_WAIT = 900  # seconds, for another process that builds the same engine
KEEP = 8  # entries; the one used longest ago goes


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on: TensorRT refuses, or misuses, one of another kind."""

    model_id: str
    tensorrt: str  # versions
    onnxruntime: str
    gpu: str
    precision: str

    @property
    def folder(self) -> str:
        """Name of the entry: readable, and different for different keys."""
        readable = '-'.join(re.sub(r'[^A-Za-z0-9.]+', '_', part)[:40] for part in astuple(self))
        digest = hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:8]
        return f'{readable}-{digest}'


def cache_root() -> Path:
    """Return the folder of all engines, below $XDG_CACHE_HOME or ~/.cache.

    RuntimeError if the user has no home.
    """
    return cache_home() / 'tensorrt'


class EngineCache:
    """One entry, locked while in use as a context manager, so that two nodes build it once.

    An entry that is not exactly what was sealed (cut by a full disk, a killed process, damaged)
    is emptied on entering. Nothing here raises because of the disk: without a usable folder
    `folder` is None and `trouble` says why in one line.
    """

    def __init__(self, key: EngineKey):
        self.key, self.trouble = key, ''
        self.folder: Path | None = None
        self.ready = False  # holds a sealed engine
        self._lock: TextIO | None = None

    def __enter__(self) -> 'EngineCache':
        try:
            root = cache_root()
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = root.stat()
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                # An engine is machine code.
                raise PermissionError(f'{root} is not for its user alone to write')
            self._lock = lock = (root / f'{self.key.folder}.lock').open('w')
            self._wait(lock)
            folder = root / self.key.folder
            self.ready = self._is_sealed(folder)
            if not self.ready:
                shutil.rmtree(folder, ignore_errors=True)
                if (free := shutil.disk_usage(root).free) < MIN_FREE:
                    raise OSError(f'only {free / 1e6:.0f} MB are free')
                folder.mkdir(mode=0o700)
            os.utime(folder)
            self.folder = folder
        except (OSError, RuntimeError) as error:
            self._give_up(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.close()  # and unlocked

    @staticmethod
    def _wait(lock: TextIO) -> None:
        deadline = time.monotonic() + MAX_WAIT
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError('another process does not let go of the entry') from None
                time.sleep(0.2)

    def clear(self) -> None:
        """Empty the entry: its engine cannot be used."""
        self.ready = False
        if self.folder is not None:
            try:
                shutil.rmtree(self.folder)
                self.folder.mkdir(mode=0o700)
            except OSError as error:
                self._give_up(error)

    def seal(self) -> None:
        """Note what the entry holds, after its engine has run; forget old entries."""
        if self.folder is None or self.ready:
            return
        try:
            partial = self.folder / f'{MANIFEST}.part'
            partial.write_text(json.dumps(self._digests(self.folder)))
            partial.replace(self.folder / MANIFEST)
            self.ready = True
            entries = [path for path in self.folder.parent.iterdir() if path.is_dir()]
            for old in sorted(entries, key=lambda path: path.stat().st_mtime)[:-KEEP]:
                shutil.rmtree(old, ignore_errors=True)
                Path(f'{old}.lock').unlink(missing_ok=True)
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.folder, self.ready = None, False
        self.trouble = f'the TensorRT engine cannot be cached and is built at every start: {error}'

    @staticmethod
    def _digests(folder: Path) -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.iterdir())
            if not path.name.startswith(MANIFEST)
        }

    def _is_sealed(self, folder: Path) -> bool:
        try:
            noted = json.loads((folder / MANIFEST).read_text())
            return bool(noted) and noted == self._digests(folder)
        except (OSError, ValueError, RecursionError):
            return False
