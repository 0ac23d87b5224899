"""MCAP files that outlive their recorder: all but the last second is whole and on the disk."""

import os
import time
from binascii import crc32
from collections import defaultdict
from contextlib import suppress
from io import BufferedWriter, BytesIO, FileIO
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.enums import CompressionMode
from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk

from bharnet_ros.system.writing import sync_folders, sync_path

CHUNK_SECONDS = 1.0  # of messages that are lost with the process, or the power
CHECKSUM = 9 + 3 * 8  # where it lies in a chunk record: after type, length, times and size
MAGIC = b'\x89MCAP0\r\n'


def storage_files(path: Path) -> list[Path]:
    """Return the files of a bag that may be MCAP: those in a folder by name, or the file itself.

    Only regular files: to open a pipe would take for ever.
    """
    return [
        file
        for file in (sorted(path.glob('*.mcap')) if path.is_dir() else [path])
        if file.is_file()
    ]


def is_mcap(file: Path) -> bool:
    """Tell whether a file begins like an MCAP; OSError if it cannot be read."""
    with file.open('rb') as stream:
        return stream.read(len(MAGIC)) == MAGIC


class DurableStorage(McapWriter):
    """Closes chunks by time, not by size alone as the library does, and sees each onto the disk.

    After a failed write `cut_back` makes the file what it was after the last whole chunk.
    """

    def __init__(self, path: Path, compression: CompressionMode):
        """Create the file in the folder `path`; OSError, and no file, if that fails."""
        super().__init__(path, compression)
        self._chunk_began: float | None = None
        self._identity = os.fstat(self.bio.fileno())
        try:
            self.bio.flush()
        except OSError:
            self.bio.raw.close()
            self.path.unlink()
            raise
        self._note()

    def _note(self) -> None:
        self._end, self._chunk_count = self.bio.tell(), len(self.chunks)
        self.counts = dict(self.channel_stats)  # messages of whole chunks, by connection
        self.span = (self.message_start_time, self.message_end_time)  # of the same, nanoseconds

    def write(self, connection: Connection, timestamp: int, data: bytes | memoryview) -> None:
        """Write a message, and the chunk if it is large or old."""
        if self._chunk_began is None:
            self._chunk_began = time.monotonic()
        super().write(connection, timestamp, data)
        if self._chunk_began is not None and (
            time.monotonic() - self._chunk_began > CHUNK_SECONDS
        ):
            self.close_chunk()

    def close_chunk(self) -> None:
        """Write the pending chunk, and wait until the disk has it."""
        self._chunk_began = None
        start, checksum = self.bio.tell(), crc32(self.chunk.bio.getvalue())
        super().close_chunk()
        self.bio.flush()
        # The library writes 0, "not checked"; after a loss of power it shows what is torn.
        os.pwrite(self.bio.fileno(), checksum.to_bytes(4, 'little'), start + CHECKSUM)
        os.fdatasync(self.bio.fileno())
        self.check_there()
        self._note()

    def close(self, version: int, metadata: str) -> None:
        """Write the end of the file, and wait until the disk has it."""
        super().close(version, metadata)
        sync_path(self.path)

    def check_there(self) -> None:
        """Raise FileNotFoundError if our file is not at its path: writing alone would not tell."""
        try:
            there = os.path.samestat(self._identity, self.path.stat())
        except OSError as error:
            raise FileNotFoundError(f'{self.path} is not there: {error.strerror}') from error
        if not there:
            raise FileNotFoundError(f'{self.path} was replaced by another file')

    def cut_back(self) -> None:
        """Forget all after the last whole chunk, in memory and in the file; OSError if it is gone.

        Connections stay known.
        """
        self.bio.raw.close()  # first: what could not be written must not be tried again
        self.chunk = PendingChunk(2**63 - 1, 0, BytesIO(), defaultdict(list))
        del self.chunks[self._chunk_count :]
        self.channel_stats = {key: self.counts.get(key, 0) for key in self.channel_stats}
        self.message_start_time, self.message_end_time = self.span
        self.check_there()
        os.truncate(self.path, self._end)
        self.bio = BufferedWriter(FileIO(self.path, 'r+'))
        self.bio.seek(self._end)


class DurableWriter(Writer):
    """Writes a bag of which less than CHUNK_SECONDS is ever at risk."""

    STORAGE_PLUGINS = {StoragePlugin.MCAP: DurableStorage}

    def __init__(self, path: Path):
        """Create the bag; WriterError or OSError, and then nothing new is left behind."""
        self._made = [folder for folder in (path, *path.parents) if not folder.exists()]
        super().__init__(path, version=9, storage_plugin=StoragePlugin.MCAP)
        try:
            self.open()
        except OSError:
            self._remove_folders()
            raise
        assert isinstance(self.storage, DurableStorage)
        self._file = self.storage
        sync_folders([*self._made, self._made[-1].parent])  # or a loss of power takes them whole

    def close(self) -> None:
        """Complete the bag, and wait until the disk has all of it; OSError."""
        super().close()
        sync_path(self.metapath)
        sync_folders([self.path])

    def _remove_folders(self) -> None:
        with suppress(OSError):  # it holds something that is not ours
            for folder in filter(Path.exists, self._made):
                folder.rmdir()

    def discard(self) -> None:
        """Remove all that this writer made, complete or not, and nothing else."""
        self._file.bio.raw.close()
        with suppress(FileNotFoundError):  # gone, or somebody else's by now
            self._file.check_there()
            for file in (self._file.path, self.metapath, self.metapath.with_suffix('.yaml.tmp')):
                file.unlink(missing_ok=True)
            self._remove_folders()

    @property
    def safe(self) -> int:
        """Messages that are on the disk."""
        return sum(self._file.counts.values())

    def sync(self) -> None:
        """Write the messages that wait in memory."""
        if self._file.chunk.msgs:
            self._file.close_chunk()

    def salvage(self) -> bool:
        """After an OSError: keep what is safe, drop the rest; True if that is a complete bag now.

        False if there is no room for its end. FileNotFoundError if nothing is there any more.
        """
        if self.storage is not None:
            try:
                self._file.cut_back()
                self.counts = dict(self._file.channel_stats)
                self.min_timestamp, self.max_timestamp = self._file.span
                self.close()
                return True
            except FileNotFoundError:
                raise
            except OSError:
                if self.storage is not None:  # the file lacks its end, not only metadata.yaml
                    with suppress(OSError):
                        self._file.cut_back()
                    with suppress(OSError):
                        self.abort()
        self._file.check_there()
        with suppress(OSError):
            self.metapath.with_suffix('.yaml.tmp').unlink()
        return False
