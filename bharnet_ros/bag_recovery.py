"""Whole bags out of those whose recorder was killed, or whose disk filled up or lost power."""

import errno
import struct
from binascii import crc32
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from lz4.frame import LZ4FrameDecompressor
from rosbags.rosbag2.storage_mcap import McapReader, zstd

from bharnet_ros.bag import BagError, BagWriter, reason_of, typestore
from bharnet_ros.bag_storage import MAGIC, mcap_files

# Record types of MCAP. Those of CONTENT alone may be in chunks.
CONTENT, CHUNK, DATA_END, KNOWN = range(0x03, 0x06), 0x06, 0x0F, range(0x01, 0x10)
LARGEST = 256_000_000  # bytes of a record, packed or not; recorders close chunks at a few MB
DECOMPRESSORS = {'lz4': LZ4FrameDecompressor, 'zstd': zstd.ZstdDecompressor}
NO_ROOM = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
HEAD = struct.Struct('<BQ')  # type and length of a record
CHUNK_HEAD = struct.Struct('<QQQII')  # first and last time, length, checksum; of the compression


@dataclass(frozen=True)
class Recovered:
    """What was saved."""

    path: Path  # of the new bag
    messages: Counter[str]  # by topic
    damaged: int  # bytes that were left out: from the first damaged place to the end
    foreign: Counter[str]  # messages of types that we do not know, left out too, by type

    def describe(self) -> str:
        """Return one line for a person to read."""
        parts = [f'{count} of {topic}' for topic, count in sorted(self.messages.items())]
        lost = [f'{count} messages of type {kind}' for kind, count in sorted(self.foreign.items())]
        if self.damaged:
            lost.append(f'{self.damaged} bytes from the first damaged or torn place on')
        return (f'{self.path}: {sum(self.messages.values())} messages ({", ".join(parts)})'
                + (f'; left out: {", ".join(lost)}' if lost else ''))


def _records_end(stream: BinaryIO, start: int, size: int, kinds: range = KNOWN) -> int:
    """Return where the records that begin at `start` cease to be whole and of `kinds`.

    That is at most `size`, and also where the data of a complete file ends.
    """
    end = start
    while end + HEAD.size <= size:
        stream.seek(end)
        kind, length = HEAD.unpack(stream.read(HEAD.size))
        following = end + HEAD.size + length
        if kind not in kinds or kind == DATA_END or following > size:
            break
        if (kind == CHUNK or kind in CONTENT) and length > LARGEST:  # others are skipped, not read
            break
        if kind == CHUNK and not _is_whole(stream.read(length)):
            break
        end = following
    return end


def _is_whole(chunk: bytes) -> bool:
    """Tell whether a chunk's content is all there and made of whole records.

    It takes no more memory than the chunk claims to need, and LARGEST at most: a few bytes of a
    hostile bag could unpack to gigabytes.
    """
    try:
        _, _, size, checksum, name_length = CHUNK_HEAD.unpack_from(chunk)
        name_end = CHUNK_HEAD.size + name_length
        name, packed = chunk[CHUNK_HEAD.size:name_end].decode(), chunk[name_end + 8:]
        if size > LARGEST or len(packed) != int.from_bytes(chunk[name_end:name_end + 8], 'little'):
            return False
        content = _unpack(packed, name, size) if name else packed
    except Exception:  # whatever a decompressor raises
        return False
    return (len(content) == size and checksum in (0, crc32(content))
            and _records_end(BytesIO(content), 0, size, CONTENT) == size)


def _unpack(packed: bytes, name: str, size: int) -> bytes:
    """Return the content of a single compressed frame; ValueError if there is more than `size`."""
    unpacker, content = DECOMPRESSORS[name](), bytearray()
    while not unpacker.eof:
        # One byte more than there should be: without it the end of the frame might not be seen.
        part = unpacker.decompress(packed, size + 1 - len(content))
        content += part
        if len(content) > size or not (part or unpacker.eof):
            raise ValueError('more than the chunk claims, or cut off')
        packed = b''
    if unpacker.unused_data:
        raise ValueError('more than one frame')
    return bytes(content)


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
    """Write a new, complete bag with what is whole in the bag `path`, which is only read.

    Of each of its MCAP files that is all before the first damaged place: faults hit the end, and
    after damage nothing tells where the next record begins. Without a `target` the new bag lies
    beside the old one. BagError, in one plain line, and no new bag, if there is nothing to save or
    the new one cannot be written.
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
            _check(files, path)
            return _copy(files, path, target)
        except BagError:
            raise
        except Exception as error:  # a damaged file can raise nearly anything inside the library
            raise BagError(f'cannot recover {path}: {reason_of(error)}') from error


def _check(files: list[_UnfinishedFile], path: Path) -> None:
    """Raise BagError if there is nothing to save in them."""
    nothing, kinds = f'nothing in {path} can be recovered: ', Counter()
    for file in files:
        for connection in file.connections:
            kinds[connection.msgtype] += file.statistics.channel_message_counts[connection.id]
    if not files:
        raise BagError(nothing + 'there is no MCAP in it, and only MCAP can be (.db3 cannot)')
    if not kinds.total():
        raise BagError(nothing + 'it holds no whole message')
    if not sum(kinds[kind] for kind in typestore().fielddefs):
        names = ', '.join(f'{count} of {kind}' for kind, count in sorted(kinds.items()) if count)
        raise BagError(nothing + f'it holds only messages of types unknown here: {names}')


def _copy(files: list[_UnfinishedFile], path: Path, target: Path) -> Recovered:
    try:
        bag = BagWriter(target)
        try:
            return _copy_into(bag, files)
        except BaseException:
            # A part of it would look like all there is, and be in the way of the next attempt.
            bag.discard()
            raise
    except BagError as error:
        reason = error.__cause__
        if not isinstance(reason, OSError):  # the target exists, and says so
            raise
        what = ('no room for the new bag' if reason.errno in NO_ROOM
                else 'cannot write the new bag')
        raise BagError(
            f'{what} {target} ({reason.strerror or reason}): name a folder on another disk, '
            f'"bharnet recover {path} FOLDER"; {path} is untouched') from reason


def _copy_into(bag: BagWriter, files: list[_UnfinishedFile]) -> Recovered:
    """Write all messages of known types and complete the bag; BagError."""
    result = Recovered(bag.path, Counter(), sum(file.left_out() for file in files), Counter())
    known = typestore().fielddefs
    with bag:
        for file in files:
            for connection, stamp, data in file.messages_scan(file.connections):
                if connection.msgtype not in known:
                    result.foreign[connection.msgtype] += 1
                    continue
                bag.write_raw(connection.topic, connection.msgtype, stamp, data)
                result.messages[connection.topic] += 1
    return result
