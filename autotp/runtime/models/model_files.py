"""The files of a model, and a digest of them that ties a tuned.yaml to its model; no OpenVINO needed.

The digest covers the graph but not the values of large weights, so that checking it at deploy takes milliseconds.
For ONNX this means parsing the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) and
skipping the data of large tensors (field numbers: https://github.com/onnx/onnx, onnx.proto).
"""

import hashlib
import mmap
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from autotp.errors import ModelError
from autotp.files.atomic import is_file


class ModelKind(StrEnum):
    """The format of a model; an LLM is an IR that keeps its context as state and has an input `beam_idx`."""

    IR = "ir"
    ONNX = "onnx"
    LLM = "llm"


class ModelFiles(msgspec.Struct, frozen=True):
    """A model on disk: `path` is the file that OpenVINO reads, `weights` the IR's .bin, None if there is none."""

    path: Path
    kind: ModelKind
    weights: Path | None = None

    @property
    def is_language_model(self) -> bool:
        """Whether it is a language model, which takes prompts of any length."""
        return self.kind is ModelKind.LLM


class Digest(msgspec.Struct, frozen=True):
    """The SHA-256 of the graph in hex, and the size in bytes of the weights that it leaves out."""

    graph_sha256: str
    weights_bytes: int


def locate(model: Path) -> ModelFiles:
    """Return the files of `model`: an `.xml`, an `.onnx`, or a folder that holds `openvino_model.xml`.

    Raises:
        ModelError: there is no such file, it isn't a model of these formats, or can't be read.
    """
    is_folder = os.path.isdir(model)  # noqa: PTH112
    path = model / "openvino_model.xml" if is_folder else model
    if not is_file(path):
        where = f"folder {model} holds no openvino_model.xml" if is_folder else f"{model} doesn't exist"
        raise ModelError(f"No model: {where}.")
    if path.suffix not in (".xml", ".onnx"):
        raise ModelError(
            f"{path.name} is neither an OpenVINO .xml, an .onnx, nor a folder with openvino_model.xml."
        )
    if path.suffix == ".onnx":
        return ModelFiles(path, ModelKind.ONNX)
    weights = path.with_suffix(".bin")
    kind = ModelKind.LLM if _is_language_model(path) else ModelKind.IR
    return ModelFiles(path, kind, weights if weights.is_file() else None)


def _is_language_model(path: Path) -> bool:
    """Whether `path` is the graph of a language model, as optimum-intel and OpenVINO GenAI write them."""
    try:
        graph = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}.") from error
    return b'name="beam_idx"' in graph and b'type="ReadValue"' in graph


def digest(files: ModelFiles) -> Digest:
    """Hash the graph of `files`.

    Raises:
        ModelError: the file can't be read, or is a truncated ONNX file.
    """
    try:
        if files.kind is not ModelKind.ONNX:
            weights_bytes = files.weights.stat().st_size if files.weights else 0
            return Digest(hashlib.sha256(files.path.read_bytes()).hexdigest(), weights_bytes)
        if not files.path.stat().st_size:
            raise _NoOnnxError("it is empty")
        with files.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _digest_onnx(data)
    except OSError as error:
        raise ModelError(f"{files.path} can't be read: {error.strerror}.") from error
    except _NoOnnxError as error:
        raise ModelError(f"{files.path} can't be read as a model: {error}.") from error


class _NoOnnxError(Exception):
    """Why a file's bytes aren't an ONNX model."""


class _Message(StrEnum):
    MODEL = "model"
    GRAPH = "graph"
    NODE = "node"
    ATTRIBUTE = "attribute"
    TENSOR = "tensor"


_CHILDREN = {
    _Message.MODEL: {7: _Message.GRAPH},
    _Message.GRAPH: {1: _Message.NODE, 5: _Message.TENSOR},
    _Message.NODE: {5: _Message.ATTRIBUTE},
    _Message.ATTRIBUTE: {
        5: _Message.TENSOR,
        6: _Message.GRAPH,
        10: _Message.TENSOR,
        11: _Message.GRAPH,
    },
    _Message.TENSOR: {},
}
_TENSOR_PAYLOADS = {4, 5, 7, 9, 10, 11}
_BULK_BYTES = 1024
_MOST_LEVELS = 100  # of nested messages, as in protobuf's own readers
_TRUNCATED = "it is truncated: a field runs past its end"
_NOT_PROTOBUF = "it isn't in the protobuf wire format"


def _digest_onnx(data: mmap.mmap) -> Digest:
    sha = hashlib.sha256()
    bulk = 0
    for start, end, is_bulk in _spans(data, _Message.MODEL, 0, len(data), _MOST_LEVELS):
        if is_bulk:
            bulk += end - start  # the length is hashed with the field's header
        else:
            sha.update(data[start:end])
    return Digest(sha.hexdigest(), bulk)


def _spans(
    data: mmap.mmap, message: _Message, start: int, end: int, levels: int
) -> Iterator[tuple[int, int, bool]]:
    """Yield the byte ranges of `message` in order: start, end, and whether they are the data of a large tensor.

    Messages may be nested `levels` deep.
    """
    if not levels:
        raise _NoOnnxError(f"it is nested more than {_MOST_LEVELS} levels deep")
    position = start
    while position < end:
        field_start = position
        field, wire, position = _tag(data, position)
        body_end = position
        if wire == 2:
            length, position = _varint(data, position)
            body_end = position + length
        else:
            body_end = position = _past_scalar(data, wire, position)
        if body_end > end:
            raise _NoOnnxError(_TRUNCATED)
        child = _CHILDREN[message].get(field)
        if wire == 2 and body_end - position > _BULK_BYTES and child is not None:
            yield field_start, position, False
            yield from _spans(data, child, position, body_end, levels - 1)
        elif (
            wire == 2
            and body_end - position > _BULK_BYTES
            and message is _Message.TENSOR
            and field in _TENSOR_PAYLOADS
        ):
            yield field_start, position, False
            yield position, body_end, True
        else:
            yield field_start, body_end, False
        position = body_end


def _tag(data: mmap.mmap, position: int) -> tuple[int, int, int]:
    key, position = _varint(data, position)
    return key >> 3, key & 7, position


def _past_scalar(data: mmap.mmap, wire: int, position: int) -> int:
    if wire == 0:
        return _varint(data, position)[1]
    if wire in (1, 5):
        return position + (8 if wire == 1 else 4)
    raise _NoOnnxError(_NOT_PROTOBUF)


def _varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _NoOnnxError(_TRUNCATED)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _NoOnnxError(_NOT_PROTOBUF)
