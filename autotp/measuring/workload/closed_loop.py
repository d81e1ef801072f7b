"""The closed loop: a new inference starts when one is done, with one request or several in flight.

Blocks are whole turns of requests whose inputs are set once (`turns`). That is right for a model that takes the
same time for every input. Whether it does is decided once, by running OpenVINO's hint, before anything is
compared. Otherwise blocks are whole passes over the samples (`passes`).
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypedDict

import msgspec

from autotp.errors import InputError
from autotp.files.links import as_given
from autotp.findings.loop import Loop
from autotp.findings.metric import Metric, Samples
from autotp.measuring.outputs.reference import NamedOutputs
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.passes import drive_one_by_one, drive_passes, measure_data_effect
from autotp.measuring.workload.turns import Burst, drive
from autotp.measuring.workload.workload import BlockUnit, Driver, Run, Wanted, Workload
from autotp.options import Flag, Form, spell
from autotp.runtime.compile import Compiled
from autotp.runtime.inference.inputs import CHECKED_SAMPLES, MOST_SAMPLES, make_samples
from autotp.runtime.inference.layer_times import layer_seconds
from autotp.runtime.inference.requests import (
    SampleTensors,
    copy_seconds,
    create_requests,
    infer_outputs,
    reset_states,
)
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.read import ModelInfo
from autotp.space.knobs.config import Config

OPEN_FIELDS = ("data_dependent", "sample_count")
PASS_WITHIN_S = 1.0  # at one sample after the other
PROFILED_S = 0.1


class ClosedLoopOptions(TypedDict, total=False):
    """The options of the closed loop."""

    data: Annotated[
        str | Path | None,
        Flag(
            Form.PATH,
            "Real inputs: one array for each input; an additional leading dimension holds several samples.",
            "FILE.npz",
            of_workload=True,
        ),
    ]


class ClosedLoop(Workload, frozen=True, kw_only=True, tag="closed_loop"):
    """A new inference starts when one is done. Inputs are samples from `data` (.npz), or made from `seed`.

    `data_dependent` is whether the model's time depends on its inputs, and `sample_count` how many are
    driven. If they are None, they are still to be found out.
    """

    data: Path | None = None
    data_dependent: bool | None = None
    sample_count: int | None = None

    title: ClassVar[str] = "a model that isn't a language model"
    options: ClassVar[type] = ClosedLoopOptions
    chosen_from_seed: ClassVar[bool] = True
    kinds: ClassVar[frozenset[ModelKind]] = frozenset(ModelKind) - {ModelKind.LLM}
    samples: ClassVar[tuple[Samples, ...]] = (Samples.LATENCIES,)
    usual_objective: ClassVar[str] = "throughput"
    usual_space: ClassVar[str] = "default"

    @classmethod
    def of(cls, files: ModelFiles, wanted: Wanted, given: Mapping[str, Any]) -> Self:
        return cls(seed=given.get("seed", 0), data=data_file(given.get("data")))

    @property
    def without_choice(self) -> Self:
        """Return the workload whose blocks are passes: right for any model, and longer than need be for most."""
        return msgspec.structs.replace(self, data_dependent=True, sample_count=CHECKED_SAMPLES)

    @property
    def open_fields(self) -> tuple[str, ...]:
        return OPEN_FIELDS if self.data_dependent is None else ()

    @property
    def unit(self) -> BlockUnit:
        return BlockUnit.PASSES if self.data_dependent else BlockUnit.SECONDS

    @property
    def description(self) -> str | None:
        if not self.data_dependent:
            return None
        return (
            f"its time depends on its inputs: each block is whole passes over the same {self.sample_count} samples"
        )

    @property
    def inputs_advice(self) -> str:
        if self.data is not None:
            return f"The inputs are those of {self.data}."
        return (
            "The inputs are made from the seed, and their whole numbers are 0 or 1: if one of them is a size, a "
            f"count or an index, give real inputs with {spell('data', 'inputs.npz')}."
        )

    def nireq(self, config: Config, objectives: Sequence[Metric]) -> int | None:
        if (nireq := config.count("nireq")) is not None:
            return nireq
        return 1 if objectives and not any(metric.maximize for metric in objectives) else None

    def first_settings(self, cores: int, sockets: int) -> tuple[dict[str, Any], ...]:
        """Return one stream per core with four requests in flight for each, in the default precision and in f32.

        Then follow f32 alone, and tensor parallelism over all sockets.
        """
        exact = {"inference_precision_hint": "f32"}
        streams = {"num_streams": cores, "nireq": 4 * cores}
        split = {"distribution_policy": "tensor_parallel", "split_count": sockets}
        return streams, {**streams, **exact}, exact, split

    def check_inputs(self, info: ModelInfo) -> None:
        make_samples(info, self.seed, self.data)

    def driver(self, compiled: Compiled) -> Driver:
        return InferenceDriver(compiled, self)

    def turn_s(self, block: Block, in_flight: int) -> float:
        return block.elapsed_s / block.count * (self.sample_count or 1 if self.data_dependent else in_flight)

    def identity(self) -> dict[str, Any]:
        data = None if self.data is None else hashlib.sha256(self.data.read_bytes()).hexdigest()
        return {"rate": None, "data": data}

    def kind(self, nireq: int | None) -> str:
        return Loop.SYNC if nireq == 1 else Loop.ASYNC

    def facts(self) -> dict[str, Any]:
        inputs = {} if self.data is None else {"inputs": self.data.name}
        known = {name: value for name in OPEN_FIELDS if (value := getattr(self, name)) is not None}
        return {"seed": self.seed, **inputs, **known}


class InferenceDriver:
    """Drives inference requests, whose input tensors are set once if the model's time doesn't depend on them."""

    deciding: Collection[str] | None = None

    def __init__(self, compiled: Compiled, workload: ClosedLoop) -> None:
        self._compiled = compiled
        self._workload = workload
        samples = make_samples(compiled.info, workload.seed, workload.data, workload.sample_count or MOST_SAMPLES)
        self._checked = samples.checked
        self._requests = create_requests(compiled, samples.driven)
        self._sequence = SampleTensors(samples.driven) if workload.data_dependent else None

    @property
    def copy_s(self) -> float:
        return copy_seconds(self._requests)

    def outputs(self, reference: Path | None) -> NamedOutputs:
        return infer_outputs(self._compiled, self._checked)

    def infer(self, seconds: float) -> int:
        if self._sequence is not None:
            return drive_one_by_one(self._requests, self._sequence, seconds)
        return drive(self._requests, one_at_a_time=True, duration_s=seconds)[0]

    def block(self, run: Run) -> Block:
        reset_states(self._requests)  # a growing state makes each inference slower than the one before
        count, elapsed_s, latencies_s = self._burst(run)
        return Block(count=count, elapsed_s=elapsed_s, latencies_s=latencies_s)

    def choose(self) -> Mapping[str, Any]:
        """Return how many samples a block can run, and whether the time depends on them."""
        compiled, seed, data = self._compiled, self._workload.seed, self._workload.data
        most = int(PASS_WITHIN_S / self._seconds_each())
        samples = make_samples(compiled.info, seed, data, max(CHECKED_SAMPLES, most)).driven
        if len(samples) == 1:
            return {"data_dependent": False, "sample_count": 1}
        effect = measure_data_effect(self._requests, SampleTensors(samples), seed)
        return {"data_dependent": effect.exists, "sample_count": len(samples)}

    def layer_s(self, samples: Samples) -> Mapping[str, float]:
        self.infer(0.0)  # the first inference takes longer
        self.infer(PROFILED_S)
        return layer_seconds(self._requests.requests[0])

    def _seconds_each(self) -> float:
        """Return how long a block takes for each sample of a pass: an inference, of which the first is slower."""
        request = self._requests.requests[0]
        for _ in range(2):
            request.infer(share_outputs=True)
        return float(request.latency) / 1e3

    def _burst(self, run: Run) -> Burst:
        if self._sequence is not None:
            warm_up_s = run.duration_s if run.flat_out else 0.0
            return drive_passes(self._requests, self._sequence, run.amount, run.lead_in_s + warm_up_s, run.offset)
        one_at_a_time = len(self._requests.requests) == 1
        return drive(self._requests, one_at_a_time, run.duration_s, run.lead_in_s)


def data_file(data: str | Path | None) -> Path | None:
    """Return the absolute path of the inputs' file.

    Raises:
        InputError: there is no such file.
    """
    if data is None:
        return None
    path = Path(data)
    if not path.is_file():
        raise InputError(f"{spell('data')}: there is no file {path}.")
    return as_given(path)
