"""Whole bags out of those whose recorder was killed, or whose disk filled up or lost power."""

import struct
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from rosbags.rosbag2.storage_mcap import McapReader, decompress

from bharnet_ros.bag import BagError, BagWriter, reason_of, typestore
from bharnet_ros.bag_storage import MAGIC, mcap_files

CHUNK, DATA_END, KNOWN = 0x06, 0x0F, range(0x01, 0x10)  # record types of MCAP
HEAD = struct.Struct('<BQ')  # type and length of a record
CHUNK_HEAD = struct.Struct('<QQQII')  # first and last time, length, checksum; of the compression


@dataclass(frozen=True)
class Recovered:
    """What was saved."""

    path: Path  # of the new bag
    messages: Counter[str]  # by topic
    damaged: int  # bytes that were left out: torn by the fault, or after a damaged place
    foreign: Counter[str]  # messages of types that we do not know, left out too, by type

    def describe(self) -> str:
        """Return one line for a person to read."""
        parts = [f'{count} of {topic}' for topic, count in sorted(self.messages.items())]
        lost = [f'{count} messages of type {kind}' for kind, count in sorted(self.foreign.items())]
        if self.damaged:
            lost.append(f'{self.damaged} bytes that are damaged or torn')
        return (f'{self.path}: {sum(self.messages.values())} messages ({", ".join(parts)})'
                + (f'; left out: {", ".join(lost)}' if lost else ''))


def _records_end(stream: BinaryIO, start: int, size: int) -> int:
    """Return where the records that begin at `start` cease to be whole, at most `size`.

    That is also where the data of a complete file ends.
    """
    end = start
    while end + HEAD.size <= size:
        stream.seek(end)
        kind, length = HEAD.unpack(stream.read(HEAD.size))
        following = end + HEAD.size + length
        if kind not in KNOWN or kind == DATA_END or following > size:
            break
        if kind == CHUNK and not _is_whole(stream.read(length)):
            break
        end = following
    return end


def _is_whole(chunk: bytes) -> bool:
    """Tell whether a chunk's content is all there and made of whole records."""
    try:
        _, _, size, checksum, name_length = CHUNK_HEAD.unpack_from(chunk)
        name = chunk[CHUNK_HEAD.size:CHUNK_HEAD.size + name_length].decode()
        # After the name of the compression, eight bytes of length.
        content = decompress(chunk[CHUNK_HEAD.size + name_length + 8:], name, size, checksum)
    except Exception:  # whatever a decompressor raises
        return False
    return _records_end(BytesIO(content), 0, len(content)) == len(content)


class _UnfinishedFile(McapReader):
    """Reads the whole records of a file that need have no end."""

    def open(self) -> None:
        """Find what is whole, and which topics are in it."""
        self.bio = self.path.open('rb')
        self.size = self.path.stat().st_size
        self.data_start = len(MAGIC)
        self.data_end = _records_end(self.bio, self.data_start, self.size)
        self.meta_scan()

    def left_out(self) -> int:
        """Return how many bytes are not whole, 0 if all that follows is a regular end."""
        self.bio.seek(self.data_end)
        return 0 if self.bio.read(1) == bytes([DATA_END]) else self.size - self.data_end


def recover(path: Path, target: Path | None = None) -> Recovered:
    """Write a new, complete bag with all that is whole in the bag `path`, which is only read.

    Without a `target` the new one lies beside it. BagError, in one plain line, if nothing of it is
    whole or the new bag cannot be written.
    """
    path = path.absolute()
    if not path.exists():
        raise BagError(f'no such bag: {path}')
    target = target or path.with_name(f'{path.stem if path.is_file() else path.name}_recovered')
    with ExitStack() as stack:
        try:
            files = [_UnfinishedFile(file) for file in mcap_files(path)]
            for file in files:
                file.open()
                stack.callback(file.close)
            damaged = sum(file.left_out() for file in files)
            if not sum(file.statistics.message_count for file in files):
                raise BagError(f'nothing in {path} can be recovered: it holds no whole message')
            return _copy(files, target, damaged)
        except BagError:
            raise
        except Exception as error:  # a damaged file can raise nearly anything inside the library
            raise BagError(f'cannot recover {path}: {reason_of(error)}') from error


def _copy(files: list[_UnfinishedFile], target: Path, damaged: int) -> Recovered:
    result = Recovered(target, Counter(), damaged, Counter())
    known = typestore().fielddefs
    with BagWriter(target) as bag:
        for file in files:
            for connection, stamp, data in file.messages_scan(file.connections):
                if connection.msgtype not in known:
                    result.foreign[connection.msgtype] += 1
                    continue
                bag.write_raw(connection.topic, connection.msgtype, stamp, data)
                result.messages[connection.topic] += 1
    return result
