"""Reading a model and setting its input shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autotp.errors import ModelError
from autotp.options import spell
from autotp.runtime.models.language import (
    BEAMS,
    Language,
    context_limit,
    describe_language,
    signature_of,
    why_not_generating,
)
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.reason import reason
from autotp.runtime.models.state import settle_states
from autotp.space.knobs.graph_split import FullyConnected

if TYPE_CHECKING:
    import openvino as ov

Shape = tuple[int, ...]


class Port(msgspec.Struct, frozen=True):
    """An input or output: its name, OpenVINO's element type, and its static shape (empty if it is dynamic)."""

    name: str
    element_type: str
    shape: Shape


class ModelInfo(msgspec.Struct, frozen=True):
    """A model's inputs and outputs after the reshape; `layers` that can be split are filled by `inspect_model`."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[FullyConnected, ...] = ()
    language: Language | None = None


def open_model(core: "ov.Core", files: ModelFiles) -> "ov.Model":
    """Read the model without changes, but give a name to every unnamed input and output.

    Raises:
        ModelError: it can't be read.
    """
    try:
        model = core.read_model(files.path)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO can't read {files.path}: {reason(error)}.{_hint(files)}") from error
    _name_ports(model)
    return model


def read_model(core: "ov.Core", files: ModelFiles, shapes: Mapping[str, Shape] | None) -> "ov.Model":
    """Read the model and set the shapes of the inputs named in `shapes`; those of a language model stay dynamic.

    With `shapes` None the model stays as it is, dynamic inputs included.

    Raises:
        ModelError: it can't be read, has no such input, the shapes don't fit, or some stay dynamic.
    """
    model = open_model(core, files)
    if shapes is None:
        return model
    if files.is_language_model:
        if shapes:
            raise ModelError(
                f"{files.path.name} is a language model, which takes prompts of any length: its shapes can't be "
                f"set. Use {spell('prompt_tokens')} and {spell('batch')}."
            )
        return model
    if shapes:
        _reshape(model, shapes)
    if model.is_dynamic() and any(port.partial_shape.is_dynamic for port in model.inputs):
        raise ModelError(_dynamic_advice(model))
    return model


def ports_of(model: "ov.Model") -> ModelInfo:
    """Return the inputs and outputs of `model`."""
    return ModelInfo(inputs=tuple(map(_port, model.inputs)), outputs=tuple(map(_port, model.outputs)))


def describe(model: "ov.Model", files: ModelFiles) -> ModelInfo:
    """Return the inputs and outputs of `model`, which was read from `files`, and its limits if a language model.

    Raises:
        ModelError: it is a language model that autotp can't run.
    """
    info = ports_of(model)
    if not files.is_language_model:
        return info
    return msgspec.structs.replace(info, language=describe_language(model, context_limit(files.path)))


def port_name(port: "ov.Output") -> str:
    """Return the name of `port` to show and to write: the alphabetically first of its names."""
    return str(min(port.get_names()))


def _hint(files: ModelFiles) -> str:
    """Return a sentence on what may help if OpenVINO can't read `files`, empty if none is known."""
    if files.kind in (ModelKind.IR, ModelKind.LLM) and files.weights is None:
        return f" {files.path.with_suffix('.bin').name}, which should hold its weights, isn't beside it."
    if files.kind in (ModelKind.TF, ModelKind.OTHER) and not _is_recognised(files.path):
        return (
            " If it is a model of another framework, convert it there with openvino.convert_model and write it "
            "with openvino.save_model: autotp takes the .xml."
        )
    return ""


def _is_recognised(path: Path) -> bool:
    """Whether one of OpenVINO's frontends takes `path` for a model of its format."""
    from openvino.frontend import FrontEndManager

    try:
        return FrontEndManager().load_by_model(str(path)) is not None
    except RuntimeError:
        return True  # it was recognised, and is incomplete


def _port(port: "ov.Output") -> Port:
    shape = tuple(port.shape) if port.partial_shape.is_static else ()
    return Port(port_name(port), port.element_type.get_type_name(), shape)


def _name_ports(model: "ov.Model") -> None:
    for kind, ports in (("input", model.inputs), ("output", model.outputs)):
        for index, port in enumerate(ports):
            if not port.get_names():
                port.get_tensor().set_names({f"{kind}{index}"})


def _reshape(model: "ov.Model", shapes: Mapping[str, Shape]) -> None:
    known = {name: port for port in model.inputs for name in port.get_names()}
    if unknown := [name for name in shapes if name not in known]:
        raise ModelError(f"The model has no input {unknown[0]!r}; its inputs are {_inputs(model)}.")
    try:
        model.reshape({known[name]: list(shape) for name, shape in shapes.items()})
        settle_states(model)
    except RuntimeError as error:
        wanted = ", ".join(f"{name}={list(shape)}" for name, shape in shapes.items())
        raise ModelError(f"The model can't take the shape {wanted}: {reason(error)}.") from error


def _inputs(model: "ov.Model") -> str:
    return ", ".join(f"{port_name(port)} {port.partial_shape}" for port in model.inputs)


def _dynamic_advice(model: "ov.Model") -> str:
    shapes = {
        port_name(port): _example(port.partial_shape) for port in model.inputs if port.partial_shape.is_dynamic
    }
    return (
        f"The model is dynamic; its inputs are {_inputs(model)}. {_about_beams(model)}"
        f"Give the shape to tune for, for example with {spell('shapes', shapes)} (your sizes in place of the 1s)."
    )


def _about_beams(model: "ov.Model") -> str:
    """Return a sentence on why `model` isn't taken as a language model, empty if it doesn't look like one."""
    if not any(BEAMS in port.get_names() for port in model.inputs) or not model.get_variables():
        return ""
    why = why_not_generating(signature_of(model))
    return (
        f"Though it keeps state and has an input {BEAMS!r}, autotp can't give it prompts: {why}. " if why else ""
    )


def _example(shape: "ov.PartialShape") -> list[int]:
    if shape.rank.is_dynamic:
        return [1, 1]
    return [max(d.min_length, 1) if d.is_dynamic else d.get_length() for d in shape]
