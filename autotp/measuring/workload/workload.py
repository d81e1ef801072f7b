"""The interface of a workload: how a model is driven. Each workload is a module of its own.

A workload defines all that is specific to it: its metrics, its usual space and the first configs to try, the knobs
that have no meaning for it, the length of its blocks, the requests in flight, the driver in the worker, and what
tuned.yaml records of it. No other code depends on which workload it is.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import msgspec

from autotp.findings.metric import Metric, Samples, metrics_of
from autotp.measuring.outputs.reference import NamedOutputs
from autotp.measuring.samples.block import Block
from autotp.runtime.compile import Compiled
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.read import ModelInfo
from autotp.space.knobs.config import Config

BLOCK_S = 0.05  # the usual length
WARM_UP_BLOCK_S = 0.05


class BlockUnit(StrEnum):
    """What the length of a block is counted in. All but seconds are an amount of work, the same for every arm."""

    SECONDS = "seconds"
    BURSTS = "bursts"
    PASSES = "passes"


class Run(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The request for one block.

    Attributes:
        number: the number of the block in its process, from 0; all blocks of a round have the same number.
        duration_s: how long to time; it goes on to the end of a turn, and is at least one turn.
        lead_in_s: how long to run untimed before; likewise.
        amount: how many bursts of tokens, or passes over the samples, if the block isn't measured in seconds.
        seed: for what is random in the block.
        flat_out: whether to warm up: run as fast as possible, without waiting for arrivals.
        begin_s: when to begin, on the monotonic clock that all processes share; None: at once.
        offset: where in the samples' sequence a pass begins, as a share of it; each instance has its own.
    """

    number: int = 0
    duration_s: float = 0.0
    lead_in_s: float = 0.0
    amount: int = 1
    seed: int = 0
    flat_out: bool = False
    begin_s: float | None = None
    offset: float = 0.0


class Wanted(msgspec.Struct, frozen=True):
    """What a model is measured for, and for how long.

    Attributes:
        objectives: metrics, the deciding one first; empty if all are of interest.
        bounded: metrics that constraints bound.
        budget_s: wall time in seconds.
    """

    objectives: tuple[Metric, ...]
    bounded: tuple[Metric, ...]
    budget_s: float


class Driver(Protocol):
    """Drives one compiled model, in the worker.

    `deciding` are the outputs that the others follow from; None if each output stands for itself.
    """

    deciding: Collection[str] | None

    @property
    def copy_s(self) -> float | None:
        """How long copying a request's inputs in and outputs out takes; None if that isn't measured."""

    def outputs(self, reference: Path | None) -> NamedOutputs:
        """Return the outputs to compare with those saved at `reference`; None: they become the reference."""

    def infer(self, seconds: float) -> int:
        """Run inferences one after the other for `seconds`; return how many, at least one."""

    def block(self, run: Run) -> Block:
        """Run one block."""

    def choose(self) -> Mapping[str, Any]:
        """Return values for the workload's open fields (`Workload.open_fields`), chosen by running the model."""

    def layer_s(self, samples: Samples) -> Mapping[str, float]:
        """Return the seconds of each type of layer in an inference for `samples`, compiled with PERF_COUNT."""


class Workload(msgspec.Struct, frozen=True, kw_only=True, tag_field="workload"):
    """How a model is driven. Inputs are made from `seed` if no data are given.

    Attributes:
        title: the kind of model it is for, as in "only a language model has it".
        options: the TypedDict of its own options.
        option_needed: the option that selects it among the workloads for the same kind of model; None: the
            default.
        kinds: the kinds of model that it drives.
        samples: the samples that its blocks hold, which determine its metrics.
        usual_objective: the objective if none is named.
        usual_space: the search space if none is named.
        own_knobs: knobs that have a meaning for this workload alone.
        block_s: the usual length of a block.
        chosen_from_seed: whether what is chosen for open fields depends on the inputs that the seed gives.
        exact_when_lossy: whether a config that is less exact than OpenVINO's default must give exactly the
            reference's whole numbers.
        reference_properties: properties for computing the reference outputs, besides f32 on one stream.
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
    block_s: ClassVar[float] = BLOCK_S
    chosen_from_seed: ClassVar[bool] = False
    exact_when_lossy: ClassVar[bool] = False
    reference_properties: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def of(cls, files: ModelFiles, wanted: Wanted, given: Mapping[str, Any]) -> Self:
        """Return the workload for `files` with which `wanted` can be measured.

        Args:
            files: a model of one of `kinds`.
            wanted: what the model is measured for.
            given: the options that are set, such as `seed`; none of another workload.

        Raises:
            InputError: a value can't be used, or doesn't fit the metrics.
            ModelError: the model's own description can't be read.
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
    def void_knobs(self) -> Mapping[str, str]:
        """The knobs that have no meaning for it, with the reason; those of other workloads needn't be named."""
        return {}

    @property
    def open_fields(self) -> tuple[str, ...]:
        """The fields without a value yet; a driver chooses one before anything is compared."""
        return ()

    @property
    def without_choice(self) -> Self | None:
        """The workload with safe values for its open fields; None if they must be chosen."""
        return None

    @property
    def unit(self) -> BlockUnit:
        """What the length of its blocks is counted in."""
        return BlockUnit.SECONDS

    @property
    def attention(self) -> Attention:
        """How a language model keeps its context; other models ignore it."""
        return Attention.SDPA

    @property
    def description(self) -> str | None:
        """A description for reports; None if the metrics say enough."""
        return None

    @property
    def inputs_advice(self) -> str:
        """What to do if OpenVINO can't run the model on the inputs, in a sentence; empty if nothing helps."""
        return ""

    def with_chosen(self, values: Mapping[str, Any]) -> Self:
        """Return this workload with `values` for its open fields."""
        return msgspec.structs.replace(self, **values)

    def for_config(self, config: Config) -> Self:
        """Return this workload with what the knobs of `config` change in it, such as the batch."""
        return self

    def for_one_of(self, instances: int) -> Self:
        """Return the share of one of `instances` processes that split the workload evenly."""
        return self

    def nireq(self, config: Config, objectives: Sequence[Metric]) -> int | None:
        """Return how many requests to keep in flight with `config`; None leaves it to OpenVINO."""
        raise NotImplementedError

    def first_settings(self, cores: int, sockets: int) -> tuple[dict[str, Any], ...]:
        """Return the settings to try first, from experience, for a process with so many cores on so many sockets.

        They are partial; those that the space contains are completed from it.
        """
        raise NotImplementedError

    def check_inputs(self, info: ModelInfo) -> None:
        """Check that the inputs fit the model.

        Raises:
            ModelError: one doesn't; the text names it.
        """
        raise NotImplementedError

    def driver(self, compiled: Compiled) -> Driver:
        """Return the driver of `compiled`, in the worker.

        Raises:
            ModelError: the inputs can't be made.
        """
        raise NotImplementedError

    def run_seconds(self, run: Run, instances: int) -> float:
        """Return how long `run` is meant to take with so many processes; the time limit comes on top."""
        return run.lead_in_s + run.duration_s

    def turn_s(self, block: Block, in_flight: int) -> float:
        """Return how long one turn of all `in_flight` requests takes, estimated from `block`.

        If blocks aren't measured in seconds, it is how long one of their bursts or passes takes.
        """
        raise NotImplementedError

    def at_risk(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """Return the metrics, other than `metrics`, that a gain in `metrics` may worsen."""
        return ()

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for the figures of two calls to be comparable, as plain JSON values."""
        raise NotImplementedError

    def kind(self, nireq: int | None) -> str:
        """Return its `kind` in tuned.yaml, with so many requests in flight (None: as many as OpenVINO chooses)."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Return the entries of `workload` in tuned.yaml besides `kind` and `nireq`."""
        return {"seed": self.seed}
