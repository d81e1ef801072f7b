"""What a reader may find out about a machine, in one notation: for the description, our probe and other tools.

Groups are sets of CPU ids, since each reader counts cores and sockets in its own way. What the description yields
is what can be known: a missing folder takes away the facts that only it holds. Facts that are a dict are
statements by id, which a reader may make of more ids than another; the sets say which ids there are.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from autotp.topology.hardware.machine import CoreKind, Machine
from tests.support.described import Described
from tests.support.machines import COMMON_FLAGS
from tests.support.parts import KindsBy, Maker, Part

Facts = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
CpuSet = frozenset[int]
CacheId = tuple[int, str, CpuSet]

COUNTS = ("sockets", "numa_nodes", "cores", "logical_cpus", "smt", "performance_cores", "efficient_cores")
X86 = (Maker.INTEL, Maker.AMD)


def described_facts(machine: Described) -> Facts:
    """All facts that the tree of a machine shows."""
    sockets = dict(_packages(machine))
    nodes, caches = _nodes(machine), _caches(machine)
    facts = {
        "cpus": frozenset(cpu.id for cpu in machine.online),
        "cores": _cores(machine),
        "sockets": frozenset(sockets),
        "package_ids": {id_: group for group, id_ in sockets.items() if id_ >= 0},
        "nodes": frozenset(nodes),
        "node_cpus": {node: cpus for node, cpus in nodes.items() if cpus},
        "nodes_without_cpus": frozenset(node for node, cpus in nodes.items() if not cpus),
        "caches": frozenset(caches),
        "cache_bytes": caches,
        "efficient": _efficient(machine, frozenset(sockets)),
        "distances": _by_node(
            machine, lambda node: tuple(machine.distance(node, other) for other in machine.nodes)
        ),
        "memory_bytes": _by_node(machine, machine.node_memory_bytes),
        "isa": frozenset(machine.flags) - COMMON_FLAGS,
        "model_name": machine.brand or None,
    }
    return facts | {"counts": _counts(facts), "node_sockets": _node_sockets(facts)}


def _counts(facts: Facts) -> dict[str, int]:
    efficient = sum(1 for core in facts["cores"] if core <= facts["efficient"])
    return {
        "sockets": len(facts["sockets"]),
        "numa_nodes": len(facts["nodes"]),
        "cores": len(facts["cores"]),
        "logical_cpus": len(facts["cpus"]),
        "smt": max(map(len, facts["cores"])),
        "performance_cores": len(facts["cores"]) - efficient,
        "efficient_cores": efficient,
    }


def _node_sockets(facts: Facts) -> dict[int, tuple[int, ...]]:
    sockets = sorted(facts["package_ids"].items())
    return {
        node: tuple(id_ for id_, cpus in sockets if cpus & facts["node_cpus"].get(node, frozenset()))
        for node in facts["nodes"]
    }


def _places_are_known(machine: Described) -> bool:
    """Only x86 kernels report cores and sockets in /proc/cpuinfo as well."""
    return Part.TOPOLOGY not in machine.missing or machine.maker in X86


def _cores(machine: Described) -> frozenset[CpuSet]:
    if not _places_are_known(machine):
        return frozenset(frozenset([cpu.id]) for cpu in machine.online)
    return frozenset(by_key((cpu.core, cpu.id) for cpu in machine.online).values())


def _packages(machine: Described) -> list[tuple[CpuSet, int]]:
    if not _places_are_known(machine):
        return [(frozenset(cpu.id for cpu in machine.online), 0)]
    known = ((frozenset(machine.of_socket(n)), machine.package_id(n)) for n in range(machine.sockets))
    return [(group, id_) for group, id_ in known if group]


def _nodes(machine: Described) -> dict[int, CpuSet]:
    if Part.NODE in machine.missing:
        return {0: frozenset(cpu.id for cpu in machine.online)}
    return {node: frozenset(machine.of_node(node)) for node in machine.nodes}


def _by_node(machine: Described, fact: Callable[[int], Any]) -> dict[int, Any]:
    return {} if Part.NODE in machine.missing else {node: fact(node) for node in machine.nodes}


def _caches(machine: Described) -> dict[CacheId, int]:
    if Part.CACHE in machine.missing:
        return {}
    return {
        (cache.level, cache.kind.lower(), frozenset(cache.shared)): cache.size_kib * 1024
        for cpu in machine.online
        for cache in machine.caches(cpu)
    }


def _efficient(machine: Described, sockets: frozenset[CpuSet]) -> CpuSet:
    """The efficient CPUs, where there are faster ones to compare with: on one socket if only caches show it."""
    efficient = frozenset(cpu.id for cpu in machine.online if cpu.efficient)
    if machine.kinds_by is KindsBy.CACHES and Part.CACHE in machine.missing:
        return frozenset()
    among = sockets if machine.kinds_by is KindsBy.CACHES else {frozenset(cpu.id for cpu in machine.online)}
    return frozenset(cpu for group in among if group - efficient for cpu in group & efficient)


def probed_facts(machine: Machine) -> Facts:
    """The same facts as `probe` states them."""
    cores = by_key((cpu.core, cpu.id) for cpu in machine.cpus)
    sockets = by_key((cpu.socket, cpu.id) for cpu in machine.cpus)
    caches = {(cache.level, cache.kind, frozenset(cache.cpus)): cache.size_bytes for cache in machine.caches}
    return {
        "cpus": frozenset(cpu.id for cpu in machine.cpus),
        "cores": frozenset(cores.values()),
        "sockets": frozenset(sockets.values()),
        "package_ids": sockets,
        "nodes": frozenset(node.id for node in machine.nodes),
        "node_cpus": {node.id: frozenset(node.cpus) for node in machine.nodes if node.cpus},
        "nodes_without_cpus": frozenset(node.id for node in machine.nodes if not node.cpus),
        "caches": frozenset(caches),
        "cache_bytes": caches,
        "efficient": frozenset(cpu.id for cpu in machine.cpus if cpu.kind is CoreKind.EFFICIENT),
        "distances": {node.id: node.distances for node in machine.nodes if node.distances},
        "memory_bytes": {node.id: node.memory_bytes for node in machine.nodes if node.memory_bytes is not None},
        "isa": frozenset(machine.isa),
        "model_name": machine.model_name,
        "node_sockets": {node.id: node.sockets for node in machine.nodes},
        "counts": {name: getattr(machine, name) for name in COUNTS},
    }


def by_key(pairs: Iterable[tuple[Key, int]]) -> dict[Key, CpuSet]:
    """The CPUs of each key, from pairs of both."""
    groups: dict[Key, set[int]] = {}
    for key, cpu in pairs:
        groups.setdefault(key, set()).add(cpu)
    return {key: frozenset(cpus) for key, cpus in groups.items()}
