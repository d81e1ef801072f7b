"""How a model is driven: the interface behind which the workloads differ, one module each.

A workload answers all that is specific to it: which metrics its blocks hold, which space and which configs are
tried first, which knobs mean nothing to it, how long its blocks are, how many requests are in flight, what drives
the compiled model in a worker, and what tuned.yaml says of it. Nothing else asks which workload it has.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import msgspec

from autotp.findings.metric import Metric, Samples, metrics_of
from autotp.measuring.outputs.reference import NamedOutputs
from autotp.measuring.samples.block import Block
from autotp.runtime import Attention, Compiled, ModelFiles, ModelInfo
from autotp.runtime.models.model_files import ModelKind
from autotp.space import Config

BLOCK_S = 0.05  # where nothing speaks for longer ones
WARM_UP_BLOCK_S = 0.05


class Run(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The request for one block.

    Attributes:
        number: of the block in its process, from 0; the arms of a round run blocks of one number.
        duration_s: seconds to time, to the end of the turn, at least one.
        lead_in_s: untimed seconds before, to the end of the turn, at least one.
        bursts: how much work a block holds that isn't measured out in seconds.
        seed: of what is random in the block.
        flat_out: whether it is to warm up, as fast as can be, with nothing to wait for.
        begin_s: when to begin on the monotonic clock, which all processes share; None at once.
    """

    number: int = 0
    duration_s: float = 0.0
    lead_in_s: float = 0.0
    bursts: int = 1
    seed: int = 0
    flat_out: bool = False
    begin_s: float | None = None


class Wanted(msgspec.Struct, frozen=True):
    """What a model is measured for, and for how long.

    Attributes:
        objectives: metrics, the deciding one first; none where all are of interest.
        bounded: metrics that constraints bound.
        budget_s: wall time in seconds.
    """

    objectives: tuple[Metric, ...]
    bounded: tuple[Metric, ...]
    budget_s: float


class Driver(Protocol):
    """Drives one compiled model, in the worker. `deciding` are the outputs that decide the others; None: all."""

    deciding: Collection[str] | None

    @property
    def copy_s(self) -> float | None:
        """How long copying a request's inputs in and outputs out takes; None where that isn't measured."""

    def outputs(self, reference: Path | None) -> NamedOutputs:
        """Return the outputs to be judged, for a `reference` to hold them against."""

    def infer(self, seconds: float) -> int:
        """Run inferences one after the other for so long; return how many they were, at least one."""

    def block(self, run: Run) -> Block:
        """Run one block and return what was timed in it."""

    def choose(self) -> Mapping[str, Any]:
        """Return values for what the workload leaves open (`Workload.open`), read off the running model."""


class Workload(msgspec.Struct, frozen=True, kw_only=True, tag_field="workload"):
    """What a model is driven with. `seed` makes the inputs where no data are given.

    Attributes:
        title: what it is for, as in "only a language model has it".
        options: the TypedDict of the options that are its own.
        option_needed: the option that chooses it among those for the same kind of model; None: what is usual.
        kinds: the kinds of model that it drives.
        samples: what its blocks hold, so which metrics it has.
        usual_objective: the metric to tune for where none is named.
        usual_space: the search space where none is named.
        own_knobs: knobs that mean something to it alone.
        void_knobs: knobs that mean nothing to it, with the reason.
        block_s: the usual length of a block.
        by_count: whether a block is so much work, the same for every arm, rather than so many seconds.
        exact_when_lossy: whether a config that is less exact than OpenVINO's default must give the reference's
            whole numbers, all of them.
        reference_properties: what the reference outputs are computed with besides f32 on one stream.
    """

    seed: int = 0

    title: ClassVar[str]
    options: ClassVar[type]
    option_needed: ClassVar[str | None] = None
    kinds: ClassVar[frozenset[ModelKind]]
    samples: ClassVar[tuple[Samples, ...]]
    usual_objective: ClassVar[str]
    usual_space: ClassVar[str]
    own_knobs: ClassVar[frozenset[str]] = frozenset()
    void_knobs: ClassVar[Mapping[str, str]] = {}
    block_s: ClassVar[float] = BLOCK_S
    by_count: ClassVar[bool] = False
    exact_when_lossy: ClassVar[bool] = False
    reference_properties: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, files: ModelFiles, wanted: Wanted, given: Mapping[str, Any]) -> Self:
        """Return the workload that drives `files` so that what is wanted can be measured.

        Args:
            files: a model of one of `kinds`.
            wanted: what it is measured for.
            given: options that are set, `seed` among them, none that another workload owns.

        Raises:
            InputError: a value can't be used, or doesn't go with the metrics.
            ModelError: what the model says of itself can't be read.
        """
        raise NotImplementedError

    @classmethod
    def metrics(cls) -> tuple[Metric, ...]:
        """Return the metrics that can be computed from its blocks."""
        return metrics_of(cls.samples)

    @classmethod
    def suits(cls, metric: Metric) -> bool:
        """Return whether it can be tuned for `metric`."""
        return metric.objective and metric in cls.metrics()

    @property
    def open(self) -> tuple[str, ...]:
        """The fields that are still to be chosen, by a driver, before anything is compared."""
        return ()

    @property
    def attention(self) -> Attention:
        """How a language model keeps its context; of others it doesn't matter."""
        return Attention.SDPA

    @property
    def words(self) -> str | None:
        """What it is in words; None where what was measured says it all."""
        return None

    def chosen(self, values: Mapping[str, Any]) -> Self:
        """Return this with `values` for fields that were open."""
        return msgspec.structs.replace(self, **values)

    def for_config(self, config: Config) -> Self:
        """Return this as `config` has it, some of whose knobs may change what is asked of the model."""
        return self

    def for_one_of(self, instances: int) -> Self:
        """Return what each of so many processes gets that share it evenly."""
        return self

    def nireq(self, config: Config, objectives: Sequence[Metric]) -> int | None:
        """Return the requests to keep in flight with `config`; None leaves OpenVINO's optimum."""
        raise NotImplementedError

    def first_settings(self, cores: int, sockets: int) -> tuple[dict[str, Any], ...]:
        """Return what experience tries first where a process may use so many cores on so many sockets.

        They are partial settings, which the space completes where it holds them.
        """
        raise NotImplementedError

    def check_inputs(self, info: ModelInfo) -> None:
        """Refuse inputs that don't fit the model.

        Raises:
            ModelError: names the input.
        """
        raise NotImplementedError

    def driver(self, compiled: Compiled) -> Driver:
        """Return what drives `compiled`, in the worker.

        Raises:
            ModelError: its inputs can't be made.
        """
        raise NotImplementedError

    def run_seconds(self, run: Run, instances: int) -> float:
        """Return how long `run` takes by itself with so many processes, for the watchdog."""
        return run.lead_in_s + run.duration_s

    def turn_s(self, block: Block, in_flight: int) -> float:
        """Return how long a turn of all `in_flight` requests takes, read off `block`."""
        raise NotImplementedError

    def unasked(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """Return the metrics that `metrics` say nothing of and that a gain in them may cost."""
        return ()

    def identity(self) -> dict[str, Any]:
        """Return what two calls must share for their figures to be comparable, as plain JSON values."""
        raise NotImplementedError

    def kind(self, nireq: int | None) -> str:
        """Return its `kind` in tuned.yaml, with so many requests in flight (None: OpenVINO's optimum)."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Return what tuned.yaml's `workload` says of it besides `kind` and `nireq`."""
        return {"seed": self.seed}
