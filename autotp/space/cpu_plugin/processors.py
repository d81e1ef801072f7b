"""The processors as OpenVINO counts them, the input of its stream calculation; the real machine may differ.

Modelled on `src/inference/src/os/lin/lin_system_conf.cpp` and `src/plugins/intel_cpu/src/cpu_map_scheduling.cpp`
of OpenVINO 2026.4, and checked against it on pretended machines (`tests/evidence/sweep_effective.py`). Where
OpenVINO misreads sysfs, this module does the same, or returns None for unknown. OpenVINO's "sockets" are groups of
CPUs that share a third-level cache; it reads the node folders only up to the first missing number; and it counts
the second of two SMT siblings as the core.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise, takewhile

import msgspec

from autotp.topology.hardware.machine import Machine
from autotp.topology.tree.cpulist import format_cpulist

_LAST_LEVEL = 3
_PRIVATE_LEVEL = 2


class Row(msgspec.Struct, frozen=True):
    """Numbers of CPUs of one NUMA node by type: cores (`main`), E-cores, and the SMT siblings of `main` cores."""

    main: int
    efficient: int
    hyper: int
    socket: int

    @property
    def total(self) -> int:
        """The number of all CPUs of the row."""
        return self.main + self.efficient + self.hyper


class Processors(msgspec.Struct, frozen=True):
    """OpenVINO's table of processors: one row for each NUMA node with CPUs that the process may use."""

    rows: tuple[Row, ...]

    @property
    def main(self) -> int:
        """The number of cores."""
        return sum(row.main for row in self.rows)

    @property
    def efficient(self) -> int:
        """The number of E-cores."""
        return sum(row.efficient for row in self.rows)

    @property
    def hyper(self) -> int:
        """The number of SMT siblings."""
        return sum(row.hyper for row in self.rows)

    @property
    def total(self) -> int:
        """The number of CPUs."""
        return self.main + self.efficient + self.hyper

    @property
    def hybrid(self) -> bool:
        """Whether there are both cores and E-cores."""
        return self.main > 0 and self.efficient > 0

    @property
    def sockets(self) -> tuple[Row, ...]:
        """One row for each socket, the sum of its rows, in the order of their first rows."""
        ids = dict.fromkeys(row.socket for row in self.rows)
        return tuple(_sum((row for row in self.rows if row.socket == id_), id_) for id_ in ids)

    def of_type(self, scheduling_core_type: object) -> "Processors":
        """Return the processors that `scheduling_core_type` allows, or all of them if it allows none."""
        if scheduling_core_type == "pcore_only" and self.main:
            return Processors(tuple(Row(row.main, 0, row.hyper, row.socket) for row in self.rows))
        if scheduling_core_type == "ecore_only" and self.efficient:
            return Processors(tuple(Row(0, row.efficient, 0, row.socket) for row in self.rows))
        return self

    def without_siblings(self) -> "Processors":
        """Return the processors with SMT unused."""
        return Processors(tuple(Row(row.main, row.efficient, 0, row.socket) for row in self.rows))


class Reading(msgspec.Struct, frozen=True):
    """What OpenVINO reads about each CPU of the machine, before it applies the process's CPU mask."""

    node_of: dict[int, int]
    socket_of: dict[int, int]
    unbound_socket_of: dict[int, int]
    type_of: dict[int, str]
    core_of: dict[int, int]

    @property
    def hybrid(self) -> bool:
        """Whether there are both cores and E-cores."""
        return {"main", "efficient"} <= set(self.type_of.values())

    def within(self, cpus: Iterable[int]) -> Processors | None:
        """Return the processors of a process bound to `cpus`, None if there are none."""
        allowed = frozenset(cpus)
        here = [cpu for cpu in self.type_of if cpu in allowed]
        if len(here) == len(self.type_of):
            return self._table(here, self.unbound_socket_of, self.type_of)
        taken = {self.core_of[cpu] for cpu in here if self.type_of[cpu] == "main"}
        left = (cpu for cpu in here if self.type_of[cpu] == "hyper" and self.core_of[cpu] not in taken)
        return self._table(here, self.socket_of, {**self.type_of, **dict.fromkeys(left, "main")})

    def _table(
        self, cpus: Iterable[int], socket_of: Mapping[int, int], type_of: Mapping[int, str]
    ) -> Processors | None:
        found = Counter((self.node_of[cpu], socket_of[cpu], type_of[cpu]) for cpu in cpus)
        places = sorted({(node, socket) for node, socket, _ in found})
        rows = tuple(
            Row(found[*place, "main"], found[*place, "efficient"], found[*place, "hyper"], place[1])
            for place in places
        )
        return Processors(rows) if rows else None


def split_places(machine: Machine, cpus: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Return `cpus` grouped by socket as OpenVINO counts sockets; its policy makes one sub-stream for each.

    Mostly these are the real sockets. But OpenVINO sees several sockets in one NUMA node as one, and if a socket
    has several third-level caches, it sees each of its NUMA nodes as a socket.
    """
    reading, places = read_machine(machine), dict[int, list[int]]()
    socket_of = reading.socket_of if reading else {cpu.id: cpu.socket for cpu in machine.cpus}
    for cpu in sorted(cpus):
        places.setdefault(socket_of[cpu], []).append(cpu)
    return tuple(tuple(members) for _, members in sorted(places.items()))


def is_hybrid(machine: Machine) -> bool:
    """Return whether OpenVINO sees both cores and E-cores."""
    reading = read_machine(machine)
    return reading.hybrid if reading else machine.efficient_cores > 0


@lru_cache(maxsize=8)
def read_machine(machine: Machine) -> Reading | None:
    """Return what OpenVINO reads about `machine`, None if that can't be predicted.

    That is so if OpenVINO misreads sysfs or guesses from /proc/cpuinfo: without caches, with more than two threads
    per core, with E-cores outside of every third-level cache, with nodes whose list of CPUs it misreads, or where
    sysfs lists other CPUs as online than those that this process runs on.
    """
    if not machine.listed:
        return None
    caches, type_of, nodes = _sockets(machine), _types(machine), _nodes(machine)
    if caches is None or type_of is None:
        return None
    sockets = len(set(caches.values()))
    node_of = socket_of = unbound = caches
    if len(nodes) not in (0, sockets):
        node_of = {cpu: node for node, members in enumerate(nodes) for cpu in members}
        if set(node_of) != set(caches) or not all(map(_reads_correctly, nodes)):
            return None
        if sockets > len(nodes):
            # Several caches per node: for a bound process, each node is a socket. For an unbound one, a node's
            # socket is the number of its first cache, but below the number of nodes: later nodes share a socket.
            firsts = [min(caches[members[0]], len(nodes) - 1) for members in nodes]
            socket_of, unbound = node_of, {cpu: firsts[node] for cpu, node in node_of.items()}
    return Reading(
        node_of=node_of,
        socket_of=socket_of,
        unbound_socket_of=unbound,
        type_of=type_of,
        core_of={cpu.id: cpu.core for cpu in machine.cpus},
    )


def _sum(rows: Iterable[Row], socket: int) -> Row:
    parts = list(rows)
    return Row(
        sum(row.main for row in parts),
        sum(row.efficient for row in parts),
        sum(row.hyper for row in parts),
        socket,
    )


def _sockets(machine: Machine) -> dict[int, int] | None:
    """Return the socket of each CPU as OpenVINO counts; None without caches, or if some CPUs have no L3 cache."""
    if not machine.caches:
        return None
    shared = sorted(cache.cpus for cache in machine.caches if cache.level == _LAST_LEVEL)
    socket_of = {cpu: socket for socket, group in enumerate(shared) for cpu in group}
    online = [cpu.id for cpu in machine.cpus]
    if not shared:
        return dict.fromkeys(online, 0)
    return {cpu: socket_of[cpu] for cpu in online} if len(socket_of) == len(online) else None


def _types(machine: Machine) -> dict[int, str] | None:
    """Return the type of each CPU (`main`, `efficient` or `hyper`); None if a core has more than two threads."""
    threads: dict[int, list[int]] = {}
    for cpu in machine.cpus:
        threads.setdefault(cpu.core, []).append(cpu.id)
    if max(map(len, threads.values())) > 2:
        return None
    clusters = {cpu: c.cpus for c in machine.caches if c.level == _PRIVATE_LEVEL for cpu in c.cpus}
    types: dict[int, str] = {}
    for members in threads.values():
        if len(members) == 2:
            types |= {members[0]: "hyper", members[1]: "main"}
        else:
            types[members[0]] = _type_of_single(clusters.get(members[0], ()), "efficient" in types.values())
    return types


def _type_of_single(cluster: tuple[int, ...], efficient_found: bool) -> str:
    """Return the type of a CPU without SMT sibling: `efficient` if several consecutive CPUs share its L2 cache.

    If only two share it, and no E-core was found before, it is `main`.
    """
    run = next(((a, b) for a, b in pairwise(cluster) if b == a + 1), None)
    if run is None:
        return "main"
    length = next(b for b in reversed(cluster) if set(range(run[0], b + 1)) <= set(cluster)) - run[0]
    return "main" if length == 1 and not efficient_found else "efficient"


def _nodes(machine: Machine) -> list[tuple[int, ...]]:
    """Return the CPUs of each node that OpenVINO reads: node0, node1 … up to the first missing number."""
    first = machine.nodes[0]
    if len(machine.nodes) == 1 and first.memory_bytes is None and not first.distances:
        return []  # the kernel has no such folders; `probe` made up this node
    consecutive = takewhile(lambda pair: pair[0] == pair[1].id, enumerate(machine.nodes))
    return [node.cpus for _, node in consecutive if node.cpus]


def _reads_correctly(cpus: tuple[int, ...]) -> bool:
    """Whether OpenVINO reads a node's list of CPUs correctly: only ranges, or several CPUs and no range."""
    ranges = ["-" in item for item in format_cpulist(cpus).split(",")]
    return all(ranges) or (not any(ranges) and len(ranges) > 1)
