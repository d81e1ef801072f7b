"""The files of a model, and which format they are in; no OpenVINO needed.

Whether a file is a model is for OpenVINO to say, when it reads it: its frontends recognise files mostly by their
content. Decided here is what must be known before that: how the model is driven, and where its weights are.
"""

import mmap
import os
from enum import StrEnum
from pathlib import Path

import msgspec

from autotp.errors import ModelError
from autotp.files.atomic import is_file
from autotp.runtime.models.flatbuffer import is_tflite
from autotp.runtime.models.ir import read_signature
from autotp.runtime.models.language import why_not_generating
from autotp.runtime.models.protobuf import MalformedError, is_onnx

IR, SAVED_MODEL = "openvino_model.xml", "saved_model.pb"


class ModelKind(StrEnum):
    """The format of a model, by the name of OpenVINO's frontend for it.

    An LLM is an IR that keeps its context as state, has an input `beam_idx`, and turns tokens into logits.
    """

    IR = "ir"
    ONNX = "onnx"
    LLM = "llm"
    TF = "tf"
    TFLITE = "tflite"
    PADDLE = "paddle"
    OTHER = "other"


class ModelFiles(msgspec.Struct, frozen=True):
    """A model on disk: `path` is the file or folder that OpenVINO reads.

    `weights` is an IR's .bin, None if there is none.
    """

    path: Path
    kind: ModelKind
    weights: Path | None = None

    @property
    def is_language_model(self) -> bool:
        """Whether it is a language model, which takes prompts of any length."""
        return self.kind is ModelKind.LLM


def locate(model: Path) -> ModelFiles:
    """Return the files of `model`: any file, or a folder that holds `openvino_model.xml` or `saved_model.pb`.

    Raises:
        ModelError: there is no such file, or it can't be read.
    """
    if os.path.isdir(model):  # noqa: PTH112
        if is_file(model / IR):
            return _files(model / IR)
        if is_file(model / SAVED_MODEL):
            return ModelFiles(model, ModelKind.TF)
        raise ModelError(f"No model: folder {model} holds no {IR}, nor TensorFlow's {SAVED_MODEL}.")
    if not is_file(model):
        raise ModelError(f"No model: {model} doesn't exist.")
    if model.name == SAVED_MODEL:
        return ModelFiles(model.parent, ModelKind.TF)
    return _files(model)


def _files(path: Path) -> ModelFiles:
    try:
        kind = _kind(path)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}.") from error
    if kind is not ModelKind.IR:
        return ModelFiles(path, kind)
    weights = path.with_suffix(".bin")
    return ModelFiles(path, _kind_of_ir(path), weights if weights.is_file() else None)


def _kind(path: Path) -> ModelKind:
    """Return the format of `path`, by its suffix where OpenVINO goes by that or it says what was meant."""
    suffixes = {
        ".xml": ModelKind.IR,
        ".onnx": ModelKind.ONNX,
        ".pdmodel": ModelKind.PADDLE,
        ".pbtxt": ModelKind.TF,
    }
    if kind := suffixes.get(path.suffix):
        return kind
    if not path.stat().st_size:
        return ModelKind.OTHER
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _kind_of(data)


def _kind_of(data: mmap.mmap) -> ModelKind:
    """Return the format of a file by its content."""
    if is_tflite(data):
        return ModelKind.TFLITE
    if data[:64].lstrip().startswith((b"<?xml", b"<net")):
        return ModelKind.IR
    try:
        return ModelKind.ONNX if is_onnx(data) else ModelKind.TF
    except MalformedError:
        return ModelKind.OTHER


def _kind_of_ir(path: Path) -> ModelKind:
    graph = path.read_bytes()
    if b'name="beam_idx"' not in graph or b'type="ReadValue"' not in graph:
        return ModelKind.IR
    return ModelKind.IR if why_not_generating(read_signature(graph)) else ModelKind.LLM
