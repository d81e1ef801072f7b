"""Where the large weights lie in a model's protobuf file, without reading them.

The wire format: https://protobuf.dev/programming-guides/encoding/. Field numbers: onnx.proto in
https://github.com/onnx/onnx; graph.proto, node_def.proto, attr_value.proto, tensor.proto, function.proto,
meta_graph.proto and saved_model.proto in https://github.com/tensorflow/tensorflow.
"""

import mmap
from collections.abc import Iterator
from enum import StrEnum

import msgspec


class MalformedError(Exception):
    """Why a file's bytes aren't in the format that was expected."""


class Message(StrEnum):
    """The messages that hold large tensors, directly or in inner messages."""

    ONNX_MODEL = "onnx.ModelProto"
    ONNX_GRAPH = "onnx.GraphProto"
    ONNX_NODE = "onnx.NodeProto"
    ONNX_ATTRIBUTE = "onnx.AttributeProto"
    ONNX_TENSOR = "onnx.TensorProto"
    TF_SAVED_MODEL = "tensorflow.SavedModel"
    TF_META_GRAPH = "tensorflow.MetaGraphDef"
    TF_GRAPH = "tensorflow.GraphDef"
    TF_LIBRARY = "tensorflow.FunctionDefLibrary"
    TF_FUNCTION = "tensorflow.FunctionDef"
    TF_NODE = "tensorflow.NodeDef"
    TF_ATTRIBUTE = "tensorflow.NodeDef.AttrEntry"
    TF_VALUE = "tensorflow.AttrValue"
    TF_LIST = "tensorflow.AttrValue.ListValue"
    TF_TENSOR = "tensorflow.TensorProto"


class Span(msgspec.Struct, frozen=True):
    """The bytes from `start` to below `end` of a file; `is_bulk`: they are the data of a large tensor."""

    start: int
    end: int
    is_bulk: bool


BULK_BYTES = 1024  # smaller tensors, such as axes and shapes, decide what the graph does
_CHILDREN: dict[Message, dict[int, Message]] = {
    Message.ONNX_MODEL: {7: Message.ONNX_GRAPH},
    Message.ONNX_GRAPH: {1: Message.ONNX_NODE, 5: Message.ONNX_TENSOR},
    Message.ONNX_NODE: {5: Message.ONNX_ATTRIBUTE},
    Message.ONNX_ATTRIBUTE: {
        5: Message.ONNX_TENSOR,
        6: Message.ONNX_GRAPH,
        10: Message.ONNX_TENSOR,
        11: Message.ONNX_GRAPH,
    },
    Message.TF_SAVED_MODEL: {2: Message.TF_META_GRAPH},
    Message.TF_META_GRAPH: {2: Message.TF_GRAPH},
    Message.TF_GRAPH: {1: Message.TF_NODE, 2: Message.TF_LIBRARY},
    Message.TF_LIBRARY: {1: Message.TF_FUNCTION},
    Message.TF_FUNCTION: {3: Message.TF_NODE},
    Message.TF_NODE: {5: Message.TF_ATTRIBUTE},
    Message.TF_ATTRIBUTE: {2: Message.TF_VALUE},
    Message.TF_VALUE: {1: Message.TF_LIST, 8: Message.TF_TENSOR},
    Message.TF_LIST: {8: Message.TF_TENSOR},
}
_PAYLOADS = {
    Message.ONNX_TENSOR: frozenset({4, 5, 7, 9, 10, 11}),
    Message.TF_TENSOR: frozenset({4, 5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 18}),
}
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_MOST_LEVELS = 100  # of nested messages, as in protobuf's own readers
_TRUNCATED = "it is truncated: a field runs past its end"
_NOT_PROTOBUF = "it isn't in the protobuf wire format"


def spans(data: mmap.mmap, message: Message) -> Iterator[Span]:
    """Yield the spans of `data`, which is one `message`, in order and without gaps.

    Raises:
        MalformedError: it isn't, or is nested too deep.
    """
    return _spans(data, message, 0, len(data), _MOST_LEVELS)


def is_onnx(data: mmap.mmap) -> bool:
    """Whether `data` is ONNX rather than TensorFlow: only there field 1 is a number, the version of the format.

    Raises:
        MalformedError: it isn't in the protobuf wire format.
    """
    position = 0
    while position < len(data):
        field, wire, _, position = _field(data, position, len(data))
        if field == 1:
            return wire == _VARINT
    return False


def _spans(data: mmap.mmap, message: Message, start: int, end: int, levels: int) -> Iterator[Span]:
    """Yield the spans of a `message` from `start` to `end`; messages may be nested `levels` deep in it."""
    if not levels:
        raise MalformedError(f"it is nested more than {_MOST_LEVELS} levels deep")
    position = start
    while position < end:
        field_start = position
        field, wire, body, position = _field(data, position, end)
        if wire != _LENGTH or position - body <= BULK_BYTES:
            yield Span(field_start, position, False)
        elif child := _CHILDREN.get(message, {}).get(field):
            yield Span(field_start, body, False)
            yield from _spans(data, child, body, position, levels - 1)
        elif field in _PAYLOADS.get(message, ()):
            yield Span(field_start, body, False)
            yield Span(body, position, True)
        else:
            yield Span(field_start, position, False)


def _field(data: mmap.mmap, position: int, end: int) -> tuple[int, int, int, int]:
    """Return the number of the field at `position`, its wire type, where its value starts and where it ends."""
    key, body = _varint(data, position)
    wire = key & 7
    if wire == _LENGTH:
        length, body = _varint(data, body)
        after = body + length
    elif wire == _VARINT:
        after = _varint(data, body)[1]
    elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
        after = body + (8 if wire == _EIGHT_BYTES else 4)
    else:
        raise MalformedError(_NOT_PROTOBUF)
    if after > end:
        raise MalformedError(_TRUNCATED)
    return key >> 3, wire, body, after


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise MalformedError(_TRUNCATED)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise MalformedError(_NOT_PROTOBUF)
