"""Compiling a model from its files: one function for workers that measure and for `autotp.load`.

So the deployed model is the measured one. OpenVINO reads the CPU mask of the process's main thread once, when the
first Core is created; therefore the mask is set before that, for every thread of the process.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autotp.errors import EnvironmentFailure, ModelError
from autotp.runtime.graph.paged_attention import page_attention
from autotp.runtime.graph.split_fc import count_split, fully_connected, split_fc
from autotp.runtime.models.language import Attention, keep_last_logits
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import ModelInfo, Shape, describe, ports_of, read_model
from autotp.runtime.models.reason import reason
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.graph_split import GraphSplit
from autotp.space.limits.affinity import Mask

if TYPE_CHECKING:
    import openvino as ov


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how a model runs: files, input shapes, OpenVINO's properties, CPU mask, requests.

    `shapes` None leaves the inputs as they are, and runs a model that autotp couldn't tune, too. `nireq` None
    means OpenVINO's optimum. `split` is applied to the graph before the compile; `attention` is where a language
    model keeps its context.
    """

    files: ModelFiles
    shapes: dict[str, Shape] | None
    properties: dict[str, str]
    mask: Mask | None = None
    nireq: int | None = None
    split: GraphSplit | None = None
    attention: Attention = Attention.SDPA


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled model, and the effective config observed in it; `compile_s` is the time of compile_model only."""

    compiled_model: "ov.CompiledModel"
    info: ModelInfo
    nireq: int
    effective: Effective
    compile_s: float


def compile_plan(plan: Plan) -> Compiled:
    """Set the CPU mask of this process; read, reshape, split and compile the model as `plan` says.

    Raises:
        ModelError: the model can't be read, reshaped, paged, split or compiled.
        EnvironmentFailure: the mask can't be set.
    """
    import openvino as ov

    if plan.mask is not None:
        set_process_mask(plan.mask)
    core = ov.Core()
    model = read_model(core, plan.files, plan.shapes)
    info = ports_of(model) if plan.shapes is None else describe(model, plan.files)
    if plan.files.is_language_model:
        (page_attention if plan.attention is Attention.PA else keep_last_logits)(model)
    if plan.split is not None:
        model = split_fc(model, plan.split, mapped=plan.files.weights is not None)
    started = time.perf_counter()
    try:
        compiled = core.compile_model(model, "CPU", plan.properties)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO can't compile {plan.files.path.name}: {reason(error)}.") from error
    compile_s = time.perf_counter() - started
    nireq = plan.nireq or compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    return Compiled(
        compiled_model=compiled,
        info=info,
        nireq=nireq,
        effective=observe(compiled, nireq, count_split(compiled) if plan.split else 0),
        compile_s=compile_s,
    )


def inspect_model(files: ModelFiles, shapes: Mapping[str, Shape]) -> ModelInfo:
    """Read and reshape the model; return its inputs, outputs and the layers that can be split.

    Raises:
        ModelError: as `read_model`.
    """
    import openvino as ov

    model = read_model(ov.Core(), files, shapes)
    info = describe(model, files)
    return msgspec.structs.replace(info, layers=tuple(layer.facts for layer in fully_connected(model)))


def set_process_mask(mask: Mask) -> None:
    """Bind every thread of this process to the CPUs `mask`.

    Raises:
        EnvironmentFailure: the process may not use these CPUs.
    """
    try:
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(ProcessLookupError):  # the thread has ended since it was listed
                os.sched_setaffinity(int(task.name), mask)
        os.sched_setaffinity(0, mask)
    except OSError as error:
        raise EnvironmentFailure(f"Can't bind the process to CPUs {mask}: {error.strerror}.") from error


def observe(compiled: "ov.CompiledModel", nireq: int, split_nodes: int) -> Effective:
    """Return the effective config as OpenVINO reports it after the compile; it doesn't report sub-streams.

    The execution mode ACCURACY has the precision "dynamic", that of the model's own types: on a CPU it is f32.
    """
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    return Effective(
        streams=compiled.get_property("NUM_STREAMS"),
        threads=compiled.get_property("INFERENCE_NUM_THREADS"),
        split_nodes=split_nodes,
        requests=nireq,
        precision="f32" if precision == "dynamic" else precision,
        pinned=compiled.get_property("ENABLE_CPU_PINNING"),
    )


def reported_properties(compiled: "ov.CompiledModel") -> dict[str, str]:
    """Return every property of `compiled` as text, spelled as OpenVINO does, such as YES for True."""
    names = [name for name in compiled.get_property("SUPPORTED_PROPERTIES") if name != "SUPPORTED_PROPERTIES"]
    return {name: _spell(compiled.get_property(name)) for name in names}


def _spell(value: object) -> str:
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if isinstance(value, list | tuple | set):
        return ",".join(sorted(_spell(item) for item in value))
    if callable(type_name := getattr(value, "get_type_name", None)):
        return str(type_name())
    return str(getattr(value, "name", value))
