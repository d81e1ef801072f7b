"""The machines that a test describes: each fact of the written tree is derived from a `Described`.

That makes the description the first oracle of what a reader must find in the tree. It covers what servers and
their firmware do: several NUMA nodes in a socket or sockets in a node, SMT, slower cores, CPUs that are
offline, ids with gaps, nodes without CPUs or memory, and kernels that report only a part of it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property

from tests.support.parts import AMX_FLAGS, Cache, Cpu, KindsBy, Maker, Numbering, Part, Sharing

_SELF, _SAME_SOCKET, _NEAR_MEMORY, _REMOTE, _FAR_MEMORY, _TWO_HOPS = 10, 12, 17, 21, 28, 31
_SOCKETS_IN_REACH = 4


@dataclass(frozen=True)
class Described:
    """A machine to pretend; the defaults are those of a regular Intel server.

    `sockets_per_node` above 1 makes one NUMA node of several sockets; `nodes_per_socket` must then be 1, and
    `cores_per_node` still counts the cores of a whole node. Each socket has one die. `efficient_cores` are the
    last ones of each socket and have one thread. `id_gaps` are (position, width): from that CPU on, ids are that
    much higher. `offline` and `missing` take from what the kernel shows. `memory_bytes` go to the nodes in turn.
    """

    sockets: int = 1
    nodes_per_socket: int = 1
    cores_per_node: int = 1
    smt: int = 1
    sockets_per_node: int = 1
    flags: tuple[str, ...] = AMX_FLAGS
    brand: str = "Intel(R) Xeon(R) Platinum 8480+"
    maker: Maker = Maker.INTEL
    numbering: Numbering = Numbering.CORES_FIRST
    id_gaps: tuple[tuple[int, int], ...] = ()
    offline: tuple[int, ...] = ()
    package_ids: tuple[int, ...] = ()
    core_id_step: int = 1
    cpu_node_ids: tuple[int, ...] = ()
    memory_node_ids: tuple[int, ...] = ()
    memory_bytes: tuple[int, ...] = (64 * 2**30,)
    efficient_cores: int = 0
    kinds_by: KindsBy = KindsBy.PERF_UNITS
    l3: Sharing = Sharing.SOCKET
    cores_per_cluster: int = 4
    missing: tuple[Part, ...] = ()
    old_kernel: bool = False

    def __post_init__(self) -> None:
        counts = (self.sockets, self.nodes_per_socket, self.cores_per_node, self.smt, self.sockets_per_node)
        if min(counts) < 1:
            raise ValueError(f"every count must be 1 or more: {counts}")
        if self.sockets_per_node > 1 and self.nodes_per_socket > 1:
            raise ValueError("a socket has several nodes or a node several sockets, not both")
        if self.sockets % self.sockets_per_node or self.cores_per_node % self.sockets_per_node:
            raise ValueError("sockets_per_node must divide sockets and cores_per_node")
        if not 0 <= self.efficient_cores <= self.cores_per_socket:
            raise ValueError("a socket has no more efficient cores than cores")
        if len(self.package_ids or range(self.sockets)) != self.sockets:
            raise ValueError("give one package id for each socket, or none")
        if len(self.cpu_node_ids or range(self._cpu_nodes)) != self._cpu_nodes:
            raise ValueError("give one id for each node with CPUs, or none")
        if len(set(self.nodes)) != self.numa_nodes:
            raise ValueError(f"two nodes have the same id: {self.nodes}")

    @property
    def _cpu_nodes(self) -> int:
        return self.sockets * self.nodes_per_socket // self.sockets_per_node

    @cached_property
    def _homes(self) -> tuple[int, ...]:
        return self.cpu_node_ids or tuple(range(self._cpu_nodes))

    @cached_property
    def nodes(self) -> tuple[int, ...]:
        """Ids of all NUMA nodes, sorted."""
        return tuple(sorted(self._homes + self.memory_node_ids))

    @property
    def numa_nodes(self) -> int:
        """NUMA nodes of the machine, those with memory only included."""
        return len(self.nodes)

    @property
    def cores_per_socket(self) -> int:
        """Physical cores of one socket."""
        return self.cores_per_node * self.nodes_per_socket // self.sockets_per_node

    @property
    def cores(self) -> int:
        """Physical cores of the machine, offline or not."""
        return self._cpu_nodes * self.cores_per_node

    @property
    def logical_cpus(self) -> int:
        """Online CPUs of the machine."""
        return len(self.online)

    @cached_property
    def cpus(self) -> tuple[Cpu, ...]:
        """All logical CPUs by id, those that are offline included."""
        found = [(core, thread) for core in range(self.cores) for thread in range(self._threads(core))]
        found.sort(key=self._order)
        return tuple(self._cpu(position, core, thread) for position, (core, thread) in enumerate(found))

    @cached_property
    def online(self) -> tuple[Cpu, ...]:
        """The online CPUs by id."""
        return tuple(cpu for cpu in self.cpus if cpu.online)

    def _is_efficient(self, core: int) -> bool:
        return core % self.cores_per_socket >= self.cores_per_socket - self.efficient_cores

    def _threads(self, core: int) -> int:
        return 1 if self._is_efficient(core) else self.smt

    def _order(self, place: tuple[int, int]) -> tuple[int, ...]:
        core, thread = place
        if self.numbering is Numbering.ROUND_ROBIN:
            return thread, core % self.cores_per_socket, core
        return (thread, core) if self.numbering is Numbering.CORES_FIRST else (core, thread)

    def _cpu(self, position: int, core: int, thread: int) -> Cpu:
        socket, core_in_socket = divmod(core, self.cores_per_socket)
        id_ = position + sum(width for start, width in self.id_gaps if position >= start)
        return Cpu(
            id=id_,
            core=core,
            core_id=core_in_socket * self.core_id_step,
            thread=thread,
            socket=socket,
            node=self._homes[core // self.cores_per_node],
            efficient=self._is_efficient(core),
            online=id_ not in self.offline,
        )

    def package_id(self, socket: int) -> int:
        """The kernel's id of a socket (counted over the machine); -1 where it knows none."""
        return self.package_ids[socket] if self.package_ids else socket

    def of_core(self, core: int) -> tuple[int, ...]:
        """Ids of the online CPUs of a core (counted over the machine)."""
        return self._by_core.get(core, ())

    def of_socket(self, socket: int) -> tuple[int, ...]:
        """Ids of the online CPUs of a socket (counted over the machine)."""
        return self._by_socket.get(socket, ())

    def of_node(self, node: int) -> tuple[int, ...]:
        """Ids of the online CPUs of the NUMA node with this id."""
        return self._by_node.get(node, ())

    @cached_property
    def _by_core(self) -> dict[Hashable, tuple[int, ...]]:
        return self._grouped(lambda cpu: cpu.core)

    @cached_property
    def _by_socket(self) -> dict[Hashable, tuple[int, ...]]:
        return self._grouped(lambda cpu: cpu.socket)

    @cached_property
    def _by_node(self) -> dict[Hashable, tuple[int, ...]]:
        return self._grouped(lambda cpu: cpu.node)

    @cached_property
    def _by_cluster(self) -> dict[Hashable, tuple[int, ...]]:
        return self._grouped(self._cluster)

    @cached_property
    def _by_l3(self) -> dict[Hashable, tuple[int, ...]]:
        return self._grouped(self._l3_part)

    def _grouped(self, key: Callable[[Cpu], Hashable]) -> dict[Hashable, tuple[int, ...]]:
        groups: dict[Hashable, list[int]] = {}
        for cpu in self.online:
            groups.setdefault(key(cpu), []).append(cpu.id)
        return {name: tuple(ids) for name, ids in groups.items()}

    def _cluster(self, cpu: Cpu) -> Hashable:
        core_in_socket = cpu.core % self.cores_per_socket
        return cpu.socket, cpu.node, cpu.efficient, core_in_socket // self.cores_per_cluster

    def _l3_part(self, cpu: Cpu) -> Hashable:
        whole = {Sharing.SOCKET: (cpu.socket,), Sharing.NODE: (cpu.socket, cpu.node)}
        return whole.get(self.l3) or self._cluster(cpu)

    def sockets_of_node(self, node: int) -> tuple[int, ...]:
        """The sockets with online CPUs in a NUMA node."""
        return tuple(sorted({cpu.socket for cpu in self.online if cpu.node == node}))

    def distance(self, node: int, other: int) -> int:
        """The relative latency from a node to another, as firmware's SLIT has it."""
        if node == other:
            return _SELF
        place, other_place = self._place(node), self._place(other)
        if {node, other} & set(self.memory_node_ids):
            return _NEAR_MEMORY if place == other_place else _FAR_MEMORY
        if place == other_place:
            return _SAME_SOCKET
        return _REMOTE if place // _SOCKETS_IN_REACH == other_place // _SOCKETS_IN_REACH else _TWO_HOPS

    def _place(self, node: int) -> int:
        """The socket that a node is in or, if it has only memory, beside."""
        if node in self._homes:
            return self._homes.index(node) // self.nodes_per_socket
        return self.memory_node_ids.index(node) % (self._cpu_nodes // self.nodes_per_socket)

    def node_memory_bytes(self, node: int) -> int:
        """The memory of a node."""
        order = self._homes + self.memory_node_ids
        return self.memory_bytes[order.index(node) % len(self.memory_bytes)]

    def caches(self, cpu: Cpu) -> tuple[Cache, ...]:
        """The caches of an online CPU: as on a Xeon of the fourth generation, or on an E-core of Alder Lake."""
        core = self.of_core(cpu.core)
        second = self._by_cluster[self._cluster(cpu)] if cpu.efficient else core
        data_kib, code_kib, second_ways = (32, 64, 16) if cpu.efficient else (48, 32, 16)
        near = (
            Cache(0, 1, "Data", data_kib, 8 if cpu.efficient else 12, core),
            Cache(1, 1, "Instruction", code_kib, 8, core),
            Cache(2, 2, "Unified", 2048, second_ways, second),
        )
        if self.l3 is Sharing.NONE:
            return near
        return (*near, Cache(3, 3, "Unified", 107520, 15, self._by_l3[self._l3_part(cpu)]))
