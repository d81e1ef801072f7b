"""A digest of a model that ties a tuned.yaml to it; no OpenVINO needed.

The digest covers the graph but not the values of large weights, so that checking it at deploy takes milliseconds.
Where weights lie in files of their own, those are measured, not read; where they lie in the graph's file, they are
passed over.
"""

import hashlib
import mmap
from collections.abc import Iterator
from glob import escape
from pathlib import Path

import msgspec

from autotp.errors import ModelError
from autotp.runtime.models import flatbuffer, protobuf
from autotp.runtime.models.model_files import SAVED_MODEL, ModelFiles, ModelKind
from autotp.runtime.models.protobuf import MalformedError, Message, Span


class Digest(msgspec.Struct, frozen=True):
    """The SHA-256 of the graph in hex, and the size in bytes of the weights that it leaves out."""

    graph_sha256: str
    weights_bytes: int


def digest(files: ModelFiles) -> Digest:
    """Hash the graph of `files`.

    Raises:
        ModelError: a file can't be read, or is a truncated ONNX file.
    """
    path = files.path / SAVED_MODEL if files.path.is_dir() else files.path
    try:
        beside = sum(weights.stat().st_size for weights in _weights_beside(files))
        if not path.stat().st_size:
            if files.kind is ModelKind.ONNX:
                raise MalformedError("it is empty")
            return Digest(hashlib.sha256().hexdigest(), beside)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = _digest(files, data)
            return Digest(found.graph_sha256, found.weights_bytes + beside)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}.") from error
    except MalformedError as error:
        raise ModelError(f"{path} can't be read as a model: {error}.") from error


def _weights_beside(files: ModelFiles) -> Iterator[Path]:
    """Yield the files that hold weights of `files` and nothing else."""
    path = files.path
    if files.weights is not None:
        yield files.weights
    elif files.kind is ModelKind.PADDLE:
        if (weights := path.with_suffix(".pdiparams")).is_file():
            yield weights
    elif files.kind is ModelKind.TF:
        inside = path.is_dir()
        folder, stem = (path / "variables", "variables") if inside else (path.parent, escape(path.stem))
        yield from folder.glob(f"{stem}.data-*-of-*")


def _digest(files: ModelFiles, data: mmap.mmap) -> Digest:
    whole = [Span(0, len(data), False)]
    try:
        return _hash(data, _spans(files, data) or whole)
    except MalformedError:
        if files.kind is ModelKind.ONNX:
            raise
        return _hash(data, whole)  # OpenVINO says whether it is a model


def _spans(files: ModelFiles, data: mmap.mmap) -> Iterator[Span] | None:
    """Return the spans of the graph's file; None if it holds no weights, or its format isn't known."""
    if files.kind is ModelKind.ONNX:
        return protobuf.spans(data, Message.ONNX_MODEL)
    if files.kind is ModelKind.TFLITE:
        return flatbuffer.spans(data)
    if files.kind is ModelKind.TF:
        return protobuf.spans(data, _message_of(files.path))
    return None


def _message_of(path: Path) -> Message:
    """Return which message a TensorFlow model in the protobuf wire format is."""
    if path.is_dir():
        return Message.TF_SAVED_MODEL
    return Message.TF_META_GRAPH if path.suffix == ".meta" else Message.TF_GRAPH


def _hash(data: mmap.mmap, spans: Iterator[Span] | list[Span]) -> Digest:
    sha = hashlib.sha256()
    bulk = 0
    for span in spans:
        if span.is_bulk:
            bulk += span.end - span.start  # the length is hashed with what comes before
        else:
            sha.update(data[span.start : span.end])
    return Digest(sha.hexdigest(), bulk)
