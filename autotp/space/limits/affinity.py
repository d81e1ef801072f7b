"""CPU masks of a config: the one place that turns `split_count`, `numa_nodes` and `instances` into masks.

OpenVINO makes one sub-stream for each of its sockets that the process may run on (`cpu_streams_calculation.cpp` of
its CPU plugin), so the CPU mask sets the degree of its own tensor parallelism.

Instances get equal shares of the CPUs: whole NUMA nodes, or parts of one node.
"""

from itertools import pairwise

from autotp.errors import SpaceError
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.knobs.config import Config
from autotp.topology.envelope.envelope import Envelope
from autotp.topology.hardware.machine import Machine

Mask = tuple[int, ...]

# The knobs that `affinity` reads.
AFFINITY_KNOBS = ("distribution_policy", "split_count", "numa_nodes", "instances")


def affinity(config: Config, machine: Machine, envelope: Envelope) -> tuple[Mask, ...] | None:
    """Return one mask (sorted CPU ids) per instance, or None if one process uses the whole envelope.

    Raises:
        SpaceError: the config can't run on this machine; the text is the reason.
    """
    cpus = _on_nodes(config.get("numa_nodes"), machine, envelope.cpus)
    masks = _equal_shares(config.count("instances") or 1, machine, cpus)
    split_count = config.count("split_count")
    if split_count is not None and config.tensor_parallel:
        masks = tuple(_on_sockets(split_count, machine, mask) for mask in masks)
    return None if masks == (envelope.cpus,) else masks


def sockets_spanned(machine: Machine, cpus: Mask) -> tuple[int, ...]:
    """Return the ids of the sockets that `cpus` lie on, in ascending order."""
    within = frozenset(cpus)
    return tuple(sorted({cpu.socket for cpu in machine.cpus if cpu.id in within}))


def nodes_spanned(machine: Machine, cpus: Mask) -> tuple[int, ...]:
    """Return the ids of the NUMA nodes that `cpus` lie on, in ascending order."""
    within = frozenset(cpus)
    return tuple(sorted({cpu.node for cpu in machine.cpus if cpu.id in within}))


def _on_nodes(wanted: object, machine: Machine, cpus: Mask) -> Mask:
    """Return those of `cpus` on the first `wanted` nodes, or on the nodes with the ids `wanted`."""
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


def _equal_shares(instances: int, machine: Machine, cpus: Mask) -> tuple[Mask, ...]:
    """Return an equal share of `cpus` for each of `instances`: whole nodes, or a part of one node."""
    nodes = nodes_spanned(machine, cpus)
    if len(nodes) % instances == 0:
        each = len(nodes) // instances
        shares = [_on_nodes(nodes[first : first + each], machine, cpus) for first in range(0, len(nodes), each)]
    elif instances % len(nodes) == 0:
        parts = instances // len(nodes)
        shares = [part for node in nodes for part in _cut(parts, machine, _on_nodes((node,), machine, cpus))]
    else:
        raise SpaceError(f"instances={instances}: {len(nodes)} NUMA nodes can't be shared out evenly")
    if len({len(_cores(machine, share)) for share in shares}) > 1:
        raise SpaceError(
            f"instances={instances}: their parts of the machine would have different numbers of cores"
        )
    return tuple(shares)


def _cut(parts: int, machine: Machine, cpus: Mask) -> list[Mask]:
    """Divide the cores of one node into `parts` as evenly as possible."""
    cores = _cores(machine, cpus)
    if parts > len(cores):
        raise SpaceError(f"a node has {len(cores)} core(s) for {parts} instances")
    ends = [len(cores) * part // parts for part in range(parts + 1)]
    return [tuple(sorted(cpu for core in cores[first:end] for cpu in core)) for first, end in pairwise(ends)]


def _cores(machine: Machine, cpus: Mask) -> list[Mask]:
    """Return `cpus` grouped by core."""
    within, cores = frozenset(cpus), dict[int, list[int]]()
    for cpu in machine.cpus:
        if cpu.id in within:
            cores.setdefault(cpu.core, []).append(cpu.id)
    return [tuple(siblings) for siblings in cores.values()]


def _on_sockets(split_count: int, machine: Machine, cpus: Mask) -> Mask:
    """Return those of `cpus` on the first `split_count` sockets, as OpenVINO counts sockets."""
    places = split_places(machine, cpus)
    if split_count > len(places):
        raise SpaceError(
            f"split_count={split_count} needs more sockets than the {len(places)} that this process may use"
        )
    return tuple(sorted(cpu for place in places[:split_count] for cpu in place))
