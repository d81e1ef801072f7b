"""Predicts effective configs: what OpenVINO really does with a config on a machine.

Predicting saves compiles: configs with the same effective config (aliases) are merged before any is measured. What
was *observed* after the compile decides what an arm is. So if in doubt, the prediction keeps configs separate, and
it returns None for what it doesn't know.
"""

import msgspec
import numpy as np

from autotp.space.aliases.effective import Effective
from autotp.space.cpu_plugin.processors import Processors, is_hybrid, read_machine
from autotp.space.cpu_plugin.streams import (
    Counts,
    Streams,
    mixes_core_types,
    one_stream,
    several_streams,
    split_stream,
    split_stream_threads,
    splits,
    streams_for_throughput,
)
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from autotp.space.knobs.table import KNOBS
from autotp.space.limits.affinity import AFFINITY_KNOBS, Mask, affinity
from autotp.space.limits.precision import COMPUTED, MODE, own_precisions
from autotp.topology.probe import Topology

# Threads per stream that OpenVINO may derive from a model's memory pressure under the THROUGHPUT hint; 0: none.
MODEL_THREADS = (0, 1, 2)

# The knobs that decide which processors a config uses, and how they are divided among streams.
PLACEMENT_KNOBS = (
    "performance_hint",
    "distribution_policy",
    "split_count",
    "split_min_weights",
    "numa_nodes",
    "instances",
    "enable_hyper_threading",
    "scheduling_core_type",
)

STREAM_KNOBS = ("num_streams", "inference_num_threads")
REST_KNOBS = tuple(name for name in KNOBS if name not in (*PLACEMENT_KNOBS, *STREAM_KNOBS, MODE))

# Those of `REST_KNOBS` that OpenVINO reports in no property.
UNREPORTED_KNOBS = ("batch", "key_cache_quant_mode", "enable_sage_attn")


class Placement(msgspec.Struct, frozen=True):
    """Where configs run: what those with equal `PLACEMENT_KNOBS` have in common.

    Configs that differ in `never_merged` are never aliases, because its effect can't be predicted. It holds how
    layers are split in the graph; the hint, if there are several NUMA nodes (LATENCY binds memory to the stream's
    node: `graph_context.cpp`); and all `PLACEMENT_KNOBS`, if `processors` is unknown.
    """

    masks: tuple[Mask, ...] | None
    processors: Processors | None
    for_throughput: bool
    splits: bool
    never_merged: Config = Config()

    @property
    def kind(self) -> "Placement":
        """The part of this placement that identifies a config together with its plan; the plan covers the hint."""
        return msgspec.structs.replace(self, for_throughput=False)

    def plan(self, streams: Counts, threads: Counts) -> tuple[Counts, Counts]:
        """Return two numbers for each config that are equal for configs with the same streams.

        Args:
            streams: NUM_STREAMS, 0 where it isn't set.
            threads: INFERENCE_NUM_THREADS, 0 where it isn't set.
        """
        if self.processors is None:
            return streams, threads
        total = self.processors.total
        several = several_streams(self.processors, np.maximum(streams, 2), threads)
        alone = one_stream(self.processors, threads)
        if self.splits:
            requested = np.where(threads > 0, np.minimum(threads, self.processors.sockets[0].total), total)
            alone = -requested  # negative, to differ from a stream without a split
        automatic = np.minimum(np.where(threads > 0, threads, total), total)
        unset, one = (streams == 0) & self.for_throughput, streams <= 1
        count = np.where(unset, 0, np.where(one, 1, several[0]))
        return count, np.where(unset, automatic, np.where(one, alone, several[1]))

    def streams(self, streams: int, threads: int, model_threads: int) -> Streams | None:
        """Return the streams of one config, None if the processors are unknown.

        Args:
            streams: NUM_STREAMS, 0 where it isn't set.
            threads: INFERENCE_NUM_THREADS, 0 where it isn't set.
            model_threads: one of `MODEL_THREADS`; used only if the THROUGHPUT hint chooses the streams.
        """
        processors = self.processors
        if processors is None:
            return None
        if streams == 0 and self.for_throughput:
            found = streams_for_throughput(processors, threads, model_threads)
        elif streams > 1:
            count, each = several_streams(processors, np.array([streams]), np.array([threads]))
            found = Streams(int(count[0]), int(count[0] * each[0]))
        elif self.splits:
            return split_stream(processors, split_stream_threads(processors, threads))
        else:
            found = Streams(1, int(one_stream(processors, np.array([threads]))[0]))
        return split_stream(processors, found.threads) if self.splits and found.streams == 1 else found


class Identity(msgspec.Struct, frozen=True):
    """Configs with equal identities are aliases: OpenVINO can't treat them differently."""

    kind: Placement
    plan: tuple[int, int]
    rest: tuple[object, ...]


class Predictor:
    """Predicts the effective configs of one machine."""

    def __init__(self, topology: Topology, layers: tuple[FullyConnected, ...] | None = None) -> None:
        self.topology = topology
        self._layers = layers
        self._reading = read_machine(topology.machine)
        self._hybrid = is_hybrid(topology.machine)
        self._within: dict[Config, tuple[tuple[Mask, ...] | None, Processors | None]] = {}

    def placement(self, config: Config) -> Placement:
        """Return the placement of `config`; only its `PLACEMENT_KNOBS` matter.

        Raises:
            SpaceError: the config can't run on this machine; the text is the reason.
        """
        masks, found = self._processors(config.only(*AFFINITY_KNOBS))
        for_throughput = config.get("performance_hint") == "throughput"
        if found is None:
            return Placement(masks, None, for_throughput, config.tensor_parallel, config.only(*PLACEMENT_KNOBS))
        found = found.of_type(config.get("scheduling_core_type"))
        flag = config.get("enable_hyper_threading")
        if flag is False or (flag is None and (not for_throughput or len(found.rows) > 1)):
            found = found.without_siblings()
        hint = config.only("performance_hint") if for_throughput and len(found.rows) > 1 else Config()
        never_merged = Config((*hint.settings, *self._graph_split(config).settings))
        return Placement(masks, found, for_throughput, config.tensor_parallel and splits(found), never_merged)

    def unreported_settings(self, config: Config) -> Config:
        """Return the settings of `config` whose effect OpenVINO doesn't report in any property.

        Raises:
            SpaceError: as `placement`.
        """
        return Config((*self.placement(config).never_merged.settings, *config.only(*UNREPORTED_KNOBS).settings))

    def sockets(self, config: Config) -> int:
        """Return how many sockets OpenVINO sees in a process bound as `config` says, 1 if that is unknown.

        Raises:
            SpaceError: the config can't run on this machine; the text is the reason.
        """
        _, processors = self._processors(config.only(*AFFINITY_KNOBS))
        return len(processors.sockets) if processors else 1

    def rest(self, config: Config) -> tuple[object, ...]:
        """Return the values of `REST_KNOBS` (the others), with OpenVINO's defaults for those that aren't set.

        The execution mode shows in these defaults alone.
        """
        precisions = own_precisions(config, self.topology.machine)
        own = {"enable_cpu_pinning": None if self._hybrid else True, **precisions}
        return tuple(own.get(name) if config.get(name) is None else config.get(name) for name in REST_KNOBS)

    def identity(self, config: Config) -> Identity:
        """Return the predicted identity of `config`.

        Raises:
            SpaceError: the config can't run on this machine; the text is the reason.
        """
        placement = self.placement(config)
        count, each = placement.plan(*(np.array([config.count(knob) or 0]) for knob in STREAM_KNOBS))
        return Identity(placement.kind, (int(count[0]), int(each[0])), self.rest(config))

    def streams(self, config: Config, model_threads: tuple[int, ...] = MODEL_THREADS) -> Streams | None:
        """Return the streams of `config`, None if they can't be predicted; arguments and errors as `effective`."""
        streams, threads = (config.count(knob) or 0 for knob in STREAM_KNOBS)
        placement = self.placement(config)
        found = {placement.streams(streams, threads, candidate) for candidate in model_threads}
        return found.pop() if len(found) == 1 else None

    def effective(self, config: Config, model_threads: tuple[int, ...] = MODEL_THREADS) -> Effective:
        """Return the predicted effective config of `config`, with None for what is unknown.

        Args:
            config: one that can run here.
            model_threads: which of `MODEL_THREADS` are possible for the model (see the method `model_threads`).

        Raises:
            SpaceError: the config can't run on this machine; the text is the reason.
        """
        processors, found = self.placement(config).processors, self.streams(config, model_threads)
        asked = config.get(COMPUTED)
        precision = str(own_precisions(config, self.topology.machine)[COMPUTED] if asked is None else asked)
        if found is None or processors is None:
            return Effective(precision=precision)
        mixed = found.streams == 1 and mixes_core_types(processors, config.count("inference_num_threads") or 0)
        pinning = config.get("enable_cpu_pinning")
        return Effective(
            streams=found.streams,
            threads=found.threads,
            sub_streams=len(found.sub_streams) or 1,
            split_nodes=self._split_nodes(config),
            precision=precision,
            pinned=not mixed if pinning is None else pinning is True,
        )

    def model_threads(self, config: Config, observed: Effective) -> tuple[int, ...]:
        """Return which of `MODEL_THREADS` agree with the effective config that was `observed` for `config`."""
        wanted = (observed.streams, observed.threads)
        found = {threads: self.streams(config, (threads,)) for threads in MODEL_THREADS}
        return tuple(threads for threads, made in found.items() if made and (made.streams, made.threads) == wanted)

    def _graph_split(self, config: Config) -> Config:
        """Return the settings of the split in the graph, the same for all that split the same layers."""
        if config.graph_split is None:
            return Config()
        split = config.graph_split.normalized(self._layers or ())
        return Config.of({"split_count": split.count, "split_min_weights": split.min_weights})

    def _split_nodes(self, config: Config) -> int | None:
        """Return how many layers are split in the graph, None if the model's layers are unknown."""
        if config.graph_split is None:
            return 0
        return None if self._layers is None else len(config.graph_split.selected(self._layers))

    def _processors(self, config: Config) -> tuple[tuple[Mask, ...] | None, Processors | None]:
        if config not in self._within:
            envelope = self.topology.envelope
            masks = affinity(config, self.topology.machine, envelope)
            cpus = masks[0] if masks else envelope.cpus
            self._within[config] = masks, self._reading.within(cpus) if self._reading else None
        return self._within[config]
