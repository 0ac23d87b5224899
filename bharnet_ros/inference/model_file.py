"""The metadata of an ONNX file, read without loading the graph.

An ONNX file is one protobuf message; `ModelProto.metadata_props` is its field 14, entries of a key
(field 1) and a value (field 2). The walk below skips all other fields without reading them. It
reads rather than maps the file: a mapped file that somebody truncates kills the process.
"""

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from bharnet_ros.errors import BharnetError

METADATA_PROPS, KEY, VALUE = 14, 1, 2  # field numbers
MAX_METADATA = 1_000_000  # bytes, all entries together
MAX_FIELDS = 10_000  # of the outermost message; ours have about ten
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; groups are none of ONNX's
FIXED = {FIXED64: 8, FIXED32: 4}


class ModelFileError(BharnetError):
    """A file that is no ONNX model, or carries too much metadata."""


def _varint(file: BinaryIO) -> int | None:
    """Read a number; None at the end of the file."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            if shift:
                raise ModelFileError('it is truncated')
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ModelFileError('a number in it is too long')


def _fields(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, wire type and length of each field, with the file at its content.

    The caller need not read the content.
    """
    for _ in range(MAX_FIELDS):
        tag = _varint(file)
        if tag is None:
            return
        number, wire = tag >> 3, tag & 7
        if number == 0 or wire not in (VARINT, FIXED64, BYTES, FIXED32):
            raise ModelFileError('its structure is not that of a protobuf message')
        length = FIXED.get(wire, 0)
        if wire in (VARINT, BYTES):
            value = _varint(file)
            if value is None:
                raise ModelFileError('it is truncated')
            length = value if wire == BYTES else 0
        end = file.tell() + length
        if end > size:
            raise ModelFileError('it is truncated')
        yield number, wire, length
        file.seek(end)
    raise ModelFileError(f'it has more than {MAX_FIELDS} fields')


def read_metadata(file: BinaryIO) -> dict[str, str]:
    """Return the metadata of an ONNX file that is open for reading in binary mode.

    Needs little memory whatever the file holds. Raises ModelFileError.
    """
    size, budget, found = file.seek(0, os.SEEK_END), MAX_METADATA, {}
    file.seek(0)
    for number, wire, length in _fields(file, size):
        if number != METADATA_PROPS or wire != BYTES:
            continue
        budget -= length
        if budget < 0:
            raise ModelFileError(f'its metadata is larger than {MAX_METADATA / 1e6:.0f} MB')
        entry = file.read(length)
        texts = {KEY: b'', VALUE: b''}
        inner = io.BytesIO(entry)
        for part, kind, count in _fields(inner, len(entry)):
            if part in texts and kind == BYTES:
                texts[part] = inner.read(count)
        try:
            found[texts[KEY].decode()] = texts[VALUE].decode()
        except UnicodeDecodeError as error:
            raise ModelFileError('its metadata is not text') from error
    return found
