"""Whole bags out of those whose recorder was killed, or whose disk filled up or lost power."""

import errno
import struct
from binascii import crc32
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

from backports import zstd
from lz4.frame import LZ4FrameDecompressor

from bharnet_ros.bag import PACKAGE_TYPES, BagError, BagWriter, reason_of, typestore
from bharnet_ros.bag_storage import MAGIC, is_mcap, storage_files

# Record types of MCAP that may be among the data; those of CONTENT alone may be in chunks.
HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, INDEX, ATTACHMENT, METADATA = 1, 3, 4, 5, 6, 7, 9, 12
CONTENT = {SCHEMA, CHANNEL, MESSAGE}
DATA = CONTENT | {HEADER, CHUNK, INDEX, ATTACHMENT, METADATA}
DATA_END = 15
LARGEST = 256_000_000  # bytes of a record, packed or not; recorders close chunks at a few MB
DECOMPRESSORS = {'lz4': LZ4FrameDecompressor, 'zstd': zstd.ZstdDecompressor}
NO_ROOM = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
HEAD = struct.Struct('<BQ')  # type and length of a record
CHUNK_HEAD = struct.Struct('<QQQI')  # first and last log time, length unpacked, checksum
MESSAGE_HEAD = struct.Struct('<HIQQ')  # channel, sequence number, log time, publish time
T = TypeVar('T')
OUR_TYPES = {f'bharnet_ros/msg/{name}' for name in PACKAGE_TYPES}


@dataclass
class Recovered:
    """What was saved."""

    path: Path  # of the new bag
    messages: Counter[str] = field(default_factory=Counter)  # by topic
    damaged: int = 0  # bytes that were left out: of each file from the first damage to the end
    foreign: Counter[str] = field(default_factory=Counter)  # of types unknown here, left out too
    unreadable: Counter[str] = field(default_factory=Counter)  # of ours, and of wrong content
    closed: list[str] = field(default_factory=list)  # files that cannot be opened, and why

    def describe(self) -> str:
        """Return one line for a person to read."""
        parts = [f'{count} of {topic}' for topic, count in sorted(self.messages.items())]
        lost = self.left_out()
        return _one_line(f'{self.path}: {self.messages.total()} messages ({", ".join(parts)})'
                         + (f'; left out: {", ".join(lost)}' if lost else ''))

    def left_out(self) -> list[str]:
        """Return what was not saved, for a person to read."""
        lost = [f'{count} messages of type {kind}' for kind, count in sorted(self.foreign.items())]
        lost += [f'{count} messages of type {kind} that cannot be read'
                 for kind, count in sorted(self.unreadable.items())]
        if self.damaged:
            lost.append(f'{self.damaged} bytes from the first damaged or torn place on')
        return lost + self.closed


def _one_line(text: str) -> str:
    """Return a text in which names out of a damaged file can do nothing to a terminal."""
    return ''.join(letter if letter.isprintable() else '?' for letter in text)


class _Damage(Exception):  # noqa: N818 - it is no error but the end of what is whole
    """Here a file ceases to be whole."""


@dataclass(frozen=True)
class _Channel:
    topic: str
    kind: str  # of its messages, as package/msg/Name


@dataclass(frozen=True)
class _Message:
    channel: _Channel
    stamp: int  # log time, nanoseconds
    data: bytes


def _records(stream: BinaryIO, start: int, size: int, types: set[int]) -> Iterator[
        tuple[int, bytes, int]]:
    """Yield (type, content, where it ends) of the records from `start` to `size`.

    Ends at the first that is not whole or not of these types.
    """
    while start + HEAD.size <= size:
        stream.seek(start)
        type_, length = HEAD.unpack(stream.read(HEAD.size))
        start += HEAD.size + length
        if type_ not in types or start > size or length > LARGEST:
            return
        yield type_, stream.read(length), start


def _field(content: bytes, place: int) -> tuple[bytes, int]:
    """Return the bytes whose length is at `place`, and where they end; _Damage if they do not."""
    begin = place + 4
    end = begin + int.from_bytes(content[place:begin], 'little')
    if end > len(content):
        raise _Damage
    return content[begin:end], end


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


def _content_of(chunk: bytes) -> tuple[bytes, int]:
    """Return the records in a chunk, and where they begin in it if unpacked; _Damage.

    It takes no more memory than the chunk claims to need, and LARGEST at most: a few bytes of a
    hostile bag could unpack to gigabytes.
    """
    try:
        _, _, size, checksum = CHUNK_HEAD.unpack_from(chunk)
        name, end = _field(chunk, CHUNK_HEAD.size)
        packed = chunk[end + 8:]
        if size > LARGEST or len(packed) != int.from_bytes(chunk[end:end + 8], 'little'):
            raise _Damage
        content = _unpack(packed, name.decode(), size) if name else packed
    except Exception as error:  # whatever a decompressor raises
        raise _Damage from error
    if len(content) != size or checksum not in (0, crc32(content)):
        raise _Damage
    return content, 0 if name else end + 8


class _UnfinishedFile:
    """Reads the whole records of a file that need have no end."""

    def __init__(self, stream: BinaryIO, size: int, check: Callable[[], None]):
        """`check` is called for each record, and may raise."""
        self._stream, self._size, self._check = stream, size, check
        self._kinds: dict[int, str] = {}
        self._channels: dict[int, _Channel] = {}
        self.end = len(MAGIC)  # of what was found whole so far

    def messages(self) -> Iterator[_Message]:
        """Yield the messages before the first damage, in the order of the file.

        A chunk with a checksum is damaged as a whole if that is wrong. One without is damaged from
        the first record on that makes no sense.
        """
        try:
            for type_, record, end in _records(self._stream, self.end, self._size, DATA):
                self._check()
                yield from self._chunk(record) if type_ == CHUNK else self._take(type_, record)
                self.end = end
        except (_Damage, OSError):  # a disk that cannot be read any further is the same to us
            return

    def _chunk(self, chunk: bytes) -> Iterator[_Message]:
        content, begin = _content_of(chunk)
        first, end = self.end + HEAD.size + begin, 0
        # Of a compressed one we cannot tell where in the file its records are.
        self.end = first if begin else self.end
        for type_, record, end in _records(BytesIO(content), 0, len(content), CONTENT):
            self._check()
            yield from self._take(type_, record)
            self.end = first + end if begin else self.end
        if end != len(content):
            raise _Damage

    def _take(self, type_: int, record: bytes) -> Iterator[_Message]:
        """Yield a message, or remember a schema or channel; _Damage if the record makes no sense.

        Records that are of no use here are looked at too: a chunk whose type is damaged would
        otherwise be passed over in silence.
        """
        whole = True
        try:
            if type_ == MESSAGE:
                channel, _, stamp, _ = MESSAGE_HEAD.unpack_from(record)
                yield _Message(self._channels[channel], stamp, record[MESSAGE_HEAD.size:])
            elif type_ == SCHEMA:
                number, = struct.unpack_from('<H', record)
                name, end = _field(record, 2)
                _field(record, _field(record, end)[1])  # encoding and text
                self._know(self._kinds, number, name.decode())
            elif type_ == CHANNEL:
                number, schema = struct.unpack_from('<HH', record)
                topic, end = _field(record, 4)
                encoding, end = _field(record, end)
                _field(record, end)  # metadata
                kind = self._kinds[schema] if schema else 'none'
                if encoding != b'cdr':
                    kind += f' in {encoding.decode()}'
                self._know(self._channels, number, _Channel(topic.decode(), kind))
            elif type_ == HEADER:
                whole = self.end == len(MAGIC)
                _field(record, _field(record, 0)[1])  # profile and library
            elif type_ == INDEX:
                whole = _field(record, 2)[1] == len(record)  # of a channel: times and places
            elif type_ == METADATA:
                whole = _field(record, _field(record, 0)[1])[1] == len(record)  # name and values
            else:
                _, end = _field(record, _field(record, 16)[1])  # after two times: name and kind
                size, = struct.unpack_from('<Q', record, end)
                whole = end + 8 + size + 4 == len(record)  # data and checksum
        except (struct.error, KeyError, UnicodeDecodeError) as error:
            raise _Damage from error
        if not whole:
            raise _Damage

    @staticmethod
    def _know(known: dict[int, T], number: int, new: T) -> None:
        """Remember what has a number; _Damage if something else has it."""
        if known.setdefault(number, new) != new:
            raise _Damage

    def left_out(self) -> int:
        """Return how many bytes are not whole, 0 if all that follows is a regular end."""
        try:
            self._stream.seek(self.end)
            regular = self._stream.read(HEAD.size) == HEAD.pack(DATA_END, 4)
            self._stream.seek(max(self._size - len(MAGIC), 0))
            regular &= self._stream.read(len(MAGIC)) == MAGIC
        except OSError:
            regular = False
        return 0 if regular else self._size - self.end


def _target_of(path: Path, target: Path | None) -> Path:
    """Return the folder to write; BagError if it has no name or lies in the bag."""
    if target is None:
        if not path.name:
            raise BagError(f'{path} has no name to call a new bag by: name a folder to write')
        return path.with_name(f'{path.stem if path.is_file() else path.name}_recovered')
    if path.is_dir() and target.resolve().is_relative_to(path.resolve()):
        raise BagError(f'the new bag {target} would lie in {path}, which is only read: name a '
                       'folder elsewhere')
    return target


def recover(path: Path, target: Path | None = None,
            stopped: Callable[[], bool] = lambda: False) -> Recovered:
    """Write a new, complete bag with what is whole in the bag `path`, which is only read.

    Of each of its MCAP files that is all before the first damaged place: faults hit the end, and
    after damage nothing tells where the next record begins. Messages of our types that cannot be
    read are left out, the bag must be of use. Without a `target` the new bag lies beside the old
    one. `stopped` is asked often, and ends it when true. BagError, in one plain line, and no new
    bag, if that happens, if there is nothing to save or the new one cannot be written.
    """
    if not path.exists():
        raise BagError(f'no such bag: {path.absolute()}')
    path = path.resolve() if path.name in ('', '..') else path.absolute()
    target = _target_of(path, target)
    recovery = _Recovery(path, target, stopped)
    try:
        return recovery.run()
    except BagError as error:
        raise BagError(_one_line(recovery.explain(error))) from error
    except Exception as error:  # a damaged file can raise nearly anything inside the library
        raise BagError(_one_line(f'cannot recover {path}: {reason_of(error)}')) from error


class _Recovery:
    """One run of `recover`."""

    def __init__(self, path: Path, target: Path, stopped: Callable[[], bool]):
        self._path, self._stopped, self._result = path, stopped, Recovered(target)
        self._bag: BagWriter | None = None  # not before there is something to save
        self._known = typestore().fielddefs

    def run(self) -> Recovered:
        """Return what was saved; BagError, and then there is no new bag."""
        try:
            mcaps = [self._copy(file) for file in storage_files(self._path)]
            if self._bag is None:
                raise BagError(self._why_nothing(any(mcaps)))
            self._bag.close()
        except BaseException:
            if self._bag is not None:
                # A part of it would look like all there is, and be in the way of the next attempt.
                self._bag.discard()
            raise
        return self._result

    def _check(self) -> None:
        if self._stopped():
            raise BagError(f'stopped before all was saved: there is no new bag, {self._path} is '
                           'untouched')

    def _copy(self, file: Path) -> bool:
        """Save what is whole in a file; False if that is no MCAP or cannot be read."""
        self._check()
        try:
            size = file.stat().st_size
            if not is_mcap(file):
                self._result.damaged += size
                return False
            with file.open('rb') as stream:
                source = _UnfinishedFile(stream, size, self._check)
                for message in source.messages():
                    self._take(message)
                self._result.damaged += source.left_out()
        except OSError as error:
            self._result.closed.append(f'{file.name} ({error.strerror})')
            return False
        return True

    def _take(self, message: _Message) -> None:
        topic, kind = message.channel.topic, message.channel.kind
        if kind not in self._known:
            self._result.foreign[kind] += 1
        elif kind in OUR_TYPES and not _is_readable(message):
            self._result.unreadable[kind] += 1
        else:
            if self._bag is None:
                self._bag = BagWriter(self._result.path)
            self._bag.write_raw(topic, kind, message.stamp, message.data)
            self._result.messages[topic] += 1

    def _why_nothing(self, any_mcap: bool) -> str:
        result, why = self._result, 'it holds no whole message'
        if not any_mcap:
            why = 'there is no MCAP in it, and only MCAP can be (.db3 cannot)'
        elif result.unreadable or result.foreign:
            why = 'of its messages, ' + ', '.join(
                [f'{count} of {kind} cannot be read' for kind, count in result.unreadable.items()]
                + [f'{count} of {kind} are of a type unknown here'
                   for kind, count in result.foreign.items()])
        closed = f'; cannot be opened: {", ".join(result.closed)}' if result.closed else ''
        return f'nothing in {self._path} can be recovered: {why}{closed}'

    def explain(self, error: BagError) -> str:
        """Return what to tell: of errors in writing BagWriter thinks it was a recording."""
        reason = error.__cause__
        if not isinstance(reason, OSError):
            return str(error)
        what = ('no room for the new bag' if reason.errno in NO_ROOM
                else 'cannot write the new bag')
        return (f'{what} {self._result.path} ({reason.strerror or reason}): name a folder on '
                f'another disk, "bharnet recover {self._path} FOLDER"; {self._path} is untouched')


def _is_readable(message: _Message) -> bool:
    try:
        typestore().deserialize_cdr(message.data, message.channel.kind)
    except Exception:  # whatever the library raises
        return False
    return True
