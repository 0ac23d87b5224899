"""The whole records of an MCAP file that was cut off or damaged, one after the other."""

import struct
from binascii import crc32
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, TypeVar

from backports import zstd
from lz4.frame import LZ4FrameDecompressor

from bharnet_ros.bags.storage import MAGIC

# Record types of MCAP that may be among the data; those of CONTENT alone may be in chunks.
HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, INDEX, ATTACHMENT, METADATA = 1, 3, 4, 5, 6, 7, 9, 12
CONTENT = {SCHEMA, CHANNEL, MESSAGE}
DATA = CONTENT | {HEADER, CHUNK, INDEX, ATTACHMENT, METADATA}
DATA_END = 15
LARGEST = 256_000_000  # bytes of a record, packed or not; recorders close chunks at a few MB
DECOMPRESSORS = {'lz4': LZ4FrameDecompressor, 'zstd': zstd.ZstdDecompressor}
HEAD = struct.Struct('<BQ')  # type and length of a record
CHUNK_HEAD = struct.Struct('<QQQI')  # first and last log time, length unpacked, checksum
MESSAGE_HEAD = struct.Struct('<HIQQ')  # channel, sequence number, log time, publish time
T = TypeVar('T')


class Damage(Exception):  # noqa: N818 - it is no error but the end of what is whole
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


def _records(
    stream: BinaryIO, start: int, size: int, types: set[int]
) -> Iterator[tuple[int, bytes, int]]:
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
    """Return the bytes whose length is at `place`, and where they end; Damage if they do not."""
    begin = place + 4
    end = begin + int.from_bytes(content[place:begin], 'little')
    if end > len(content):
        raise Damage
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
    """Return the records in a chunk, and where they begin in it if unpacked; Damage.

    It takes no more memory than the chunk claims to need, and LARGEST at most: a few bytes of a
    hostile bag could unpack to gigabytes.
    """
    try:
        _, _, size, checksum = CHUNK_HEAD.unpack_from(chunk)
        name, end = _field(chunk, CHUNK_HEAD.size)
        packed = chunk[end + 8 :]
        if size > LARGEST or len(packed) != int.from_bytes(chunk[end : end + 8], 'little'):
            raise Damage
        content = _unpack(packed, name.decode(), size) if name else packed
    except Exception as error:  # whatever a decompressor raises
        raise Damage from error
    if len(content) != size or checksum not in (0, crc32(content)):
        raise Damage
    return content, 0 if name else end + 8


class UnfinishedFile:
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
        except (Damage, OSError):  # a disk that cannot be read any further is the same to us
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
            raise Damage

    def _take(self, type_: int, record: bytes) -> Iterator[_Message]:
        """Yield a message, or remember a schema or channel; Damage if the record makes no sense.

        Records that are of no use here are looked at too: a chunk whose type is damaged would
        otherwise be passed over in silence.
        """
        whole = True
        try:
            if type_ == MESSAGE:
                channel, _, stamp, _ = MESSAGE_HEAD.unpack_from(record)
                yield _Message(self._channels[channel], stamp, record[MESSAGE_HEAD.size :])
            elif type_ == SCHEMA:
                (number,) = struct.unpack_from('<H', record)
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
                (size,) = struct.unpack_from('<Q', record, end)
                whole = end + 8 + size + 4 == len(record)  # data and checksum
        except (struct.error, KeyError, UnicodeDecodeError) as error:
            raise Damage from error
        if not whole:
            raise Damage

    @staticmethod
    def _know(known: dict[int, T], number: int, new: T) -> None:
        """Remember what has a number; Damage if something else has it."""
        if known.setdefault(number, new) != new:
            raise Damage

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
