"""Rules that drop values and configs which can't run on a machine, or have no effect there, with the reason.

Each rule is a fact about OpenVINO's CPU plugin (`src/plugins/intel_cpu/src/{config,cpu_streams_calculation}.cpp`).
"""

from collections.abc import Mapping

from autotp.space.cpu_plugin.processors import is_hybrid, read_machine, split_places
from autotp.space.cpu_plugin.streams import splits
from autotp.space.knobs.config import Config
from autotp.space.knobs.table import Value
from autotp.space.limits.affinity import nodes_spanned, sockets_spanned
from autotp.space.limits.precision import PRECISION_KNOBS, cache_dropped, precision_dropped
from autotp.space.limits.quota import beyond_quota, threads_within
from autotp.topology.envelope.envelope import Envelope
from autotp.topology.probe import Topology

SAGE_ISA = frozenset({"amx_int8", "avx_vnni_int8"})  # either will do

# The knobs that `config_dropped` reads, besides those of `cache_dropped`.
COMBINED_KNOBS = (
    "performance_hint",
    "distribution_policy",
    "split_count",
    "split_min_weights",
    "num_streams",
)

# The knobs that decide how layers are split in the graph.
SPLIT_KNOBS = ("distribution_policy", "split_count", "split_min_weights")


def value_dropped(
    knob: str, value: Value, topology: Topology, allowed_precisions: tuple[str, ...], fixed: bool = False
) -> str | None:
    """Return why `value` of `knob` can't run or has no effect on this machine, None if it is fine.

    Args:
        knob: its name.
        value: one of its values.
        topology: the machine and what the process may use of it.
        allowed_precisions: precisions below OpenVINO's default that the user accepts.
        fixed: whether the user fixed the knob at this value; then exceeding the CPU quota, which only slows it, is
            no reason.
    """
    match knob:
        case "distribution_policy":
            return _policy_dropped(value, topology)
        case "enable_sage_attn" if value is True and not SAGE_ISA & set(topology.machine.isa):
            return "the CPU has neither AMX INT8 nor VNNI2, which it needs"
        case _ if knob in PRECISION_KNOBS:
            return precision_dropped(knob, value, topology.machine, allowed_precisions)
        case "enable_hyper_threading" if topology.machine.smt == 1:
            return "no SMT here, so the property has no effect"
        case "scheduling_core_type" if not is_hybrid(topology.machine):
            return "all cores are of one type here, so the property has no effect"
        case "num_streams" | "inference_num_threads" | "instances" if isinstance(value, int):
            return _count_dropped(value, topology.envelope, fixed)
        case "numa_nodes":
            return _nodes_dropped(value, topology)
    return None


def config_dropped(config: Config, void_knobs: Mapping[str, str] = {}) -> str | None:
    """Return why the combination of values in `config` has no effect, None if it has one.

    Args:
        config: any config.
        void_knobs: knobs without meaning for this workload, and why.
    """
    for knob, _ in config.settings:
        if knob in void_knobs:
            return void_knobs[knob]
    streams = config.count("num_streams")
    if config.tensor_parallel:
        if streams is not None and streams > 1:
            return f"with {streams} streams tensor_parallel has no effect"
        if streams is None and config.get("performance_hint") == "throughput":
            return "with the streams of the THROUGHPUT hint tensor_parallel has no effect"
    if config.get("split_min_weights") is not None and config.graph_split is None:
        return "split_min_weights has no effect without a split in the graph"
    return cache_dropped(config)


def _count_dropped(value: int, envelope: Envelope, fixed: bool) -> str | None:
    cpus, fitting = len(envelope.cpus), threads_within(envelope)
    if value > cpus:
        return f"the process may use {cpus} CPU(s)"
    return beyond_quota(envelope) if fitting is not None and value > fitting and not fixed else None


def _policy_dropped(value: Value, topology: Topology) -> str | None:
    if value == "pipeline_parallel":
        return "the CPU plugin refuses it"
    if value != "tensor_parallel":
        return None
    machine, cpus = topology.machine, topology.envelope.cpus
    sockets, nodes = len(sockets_spanned(machine, cpus)), len(nodes_spanned(machine, cpus))
    reading = read_machine(machine)
    processors = reading.within(cpus) if reading else None
    if len(split_places(machine, cpus)) > 1 and (splits(processors) if processors else nodes > 1):
        return None
    if sockets > 1 and nodes < 2:
        return f"no NUMA nodes separate the {sockets} sockets, so the policy would do nothing"
    if sockets > 1:
        return f"OpenVINO sees the {sockets} sockets as one, so the policy would do nothing"
    return f"this process may use {sockets} socket(s), so the policy would do nothing"


def _nodes_dropped(value: Value, topology: Topology) -> str | None:
    present = nodes_spanned(topology.machine, topology.envelope.cpus)
    if isinstance(value, int):
        return f"the process may use {len(present)} node(s)" if value > len(present) else None
    missing = set(value) - set(present) if isinstance(value, tuple) else set()
    return f"the process may not use node {min(missing)}" if missing else None
