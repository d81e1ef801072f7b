"""Where the large weights lie in a TensorFlow Lite file, without reading them.

The format: https://flatbuffers.dev/internals/ (tables are found by offsets; a table's first number leads to its
vtable, which lists where its fields are). The fields, in schema.fbs of https://github.com/tensorflow/tensorflow:
field 4 of Model is the vector of buffers, and field 0 of a Buffer its bytes.
"""

import mmap
import struct
from collections.abc import Iterator

from autotp.runtime.models.protobuf import BULK_BYTES, MalformedError, Span

IDENTIFIER = b"TFL3"
_MODEL_BUFFERS, _BUFFER_DATA = 4, 0


def is_tflite(data: mmap.mmap) -> bool:
    """Whether `data` has the identifier of TensorFlow Lite."""
    return data[4:8] == IDENTIFIER


def spans(data: mmap.mmap) -> Iterator[Span]:
    """Yield the spans of `data`, a TensorFlow Lite model, in order and without gaps.

    Raises:
        MalformedError: its offsets lead out of the file, or its weights overlap.
    """
    position = 0
    for start, end in sorted(set(_weights(data))):
        if start < position or end > len(data):
            raise MalformedError("its weights overlap or run past its end")
        yield Span(position, start, False)
        yield Span(start, end, True)
        position = end
    yield Span(position, len(data), False)


def _weights(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Yield where each large buffer starts and ends."""
    buffers = _field(data, _follow(data, 0), _MODEL_BUFFERS)
    if buffers is None:
        return
    start, count = _vector(data, buffers)
    for index in range(count):
        content = _field(data, _follow(data, start + 4 * index), _BUFFER_DATA)
        if content is not None:
            first, size = _vector(data, content)
            if size > BULK_BYTES:
                yield first, first + size


def _vector(data: mmap.mmap, position: int) -> tuple[int, int]:
    """Return where the elements of the vector start that `position` refers to, and their number."""
    at = _follow(data, position)
    return at + 4, _number(data, "<I", at)


def _field(data: mmap.mmap, table: int, field: int) -> int | None:
    """Return where `field` of a table is, None if the table lacks it."""
    vtable = table - _number(data, "<i", table)
    if 4 + 2 * field >= _number(data, "<H", vtable):
        return None
    offset = _number(data, "<H", vtable + 4 + 2 * field)
    return table + offset if offset else None


def _follow(data: mmap.mmap, position: int) -> int:
    return position + _number(data, "<I", position)


def _number(data: mmap.mmap, form: str, position: int) -> int:
    if position < 0 or position + struct.calcsize(form) > len(data):
        raise MalformedError("its offsets lead out of the file")
    number: int = struct.unpack_from(form, data, position)[0]
    return number
