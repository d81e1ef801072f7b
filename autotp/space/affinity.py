"""The one place that turns `split_count` and `numa_nodes` into CPU masks.

OpenVINO makes one sub-stream for each socket that the process may run on, as OpenVINO tells sockets apart, so
the native degree of tensor parallelism is set by the mask (`cpu_streams_calculation.cpp` of its CPU plugin).
"""

from autotp.errors import SpaceError
from autotp.space.config import Config
from autotp.space.processors import split_places
from autotp.topology import Envelope, Machine

Mask = tuple[int, ...]

# What `affinity` looks at.
AFFINITY_KNOBS = ("distribution_policy", "split_count", "numa_nodes")


def affinity(config: Config, machine: Machine, envelope: Envelope) -> tuple[Mask, ...] | None:
    """Return one mask (sorted CPU ids) per instance, or None where the whole envelope is meant.

    Raises:
        SpaceError: the config is INVALID here; the text is the reason.
    """
    cpus = _on_nodes(config.get("numa_nodes"), machine, envelope.cpus)
    split_count = config.count("split_count")
    if split_count is not None and config.tensor_parallel:
        cpus = _on_sockets(split_count, machine, cpus)
    return None if cpus == envelope.cpus else (cpus,)


def sockets_spanned(machine: Machine, cpus: Mask) -> tuple[int, ...]:
    """Return the ids of the sockets that `cpus` lie on, in ascending order."""
    within = frozenset(cpus)
    return tuple(sorted({cpu.socket for cpu in machine.cpus if cpu.id in within}))


def nodes_spanned(machine: Machine, cpus: Mask) -> tuple[int, ...]:
    """Return the ids of the NUMA nodes that `cpus` lie on, in ascending order."""
    within = frozenset(cpus)
    return tuple(sorted({cpu.node for cpu in machine.cpus if cpu.id in within}))


def _on_nodes(wanted: object, machine: Machine, cpus: Mask) -> Mask:
    if wanted is None:
        return cpus
    present = nodes_spanned(machine, cpus)
    if isinstance(wanted, int):
        if wanted > len(present):
            raise SpaceError(f"numa_nodes={wanted}: the process may use {len(present)} of them")
        chosen = set(present[:wanted])
    else:
        chosen = set(wanted) if isinstance(wanted, tuple) else set()
        if missing := chosen - set(present):
            raise SpaceError(f"numa_nodes={sorted(chosen)}: the process may not use node {min(missing)}")
    node_of = {cpu.id: cpu.node for cpu in machine.cpus}
    return tuple(cpu for cpu in cpus if node_of.get(cpu) in chosen)


def _on_sockets(split_count: int, machine: Machine, cpus: Mask) -> Mask:
    places = split_places(machine, cpus)
    if split_count > len(places):
        raise SpaceError(f"split_count={split_count}: the process spans {len(places)} socket(s)")
    return tuple(sorted(cpu for place in places[:split_count] for cpu in place))
