"""What the hardware is: the online CPUs, and how cores, sockets, NUMA nodes and caches group them."""

from enum import StrEnum

import msgspec


class CoreKind(StrEnum):
    """The two kinds of cores of a hybrid processor; on any other machine all are performance cores."""

    PERFORMANCE = "performance"
    EFFICIENT = "efficient"


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """One logical CPU. `core` counts over the machine from 0; `socket` and `node` are the kernel's ids."""

    id: int
    core: int
    socket: int
    node: int
    kind: CoreKind = CoreKind.PERFORMANCE


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node with its online CPUs and the sockets they are on; both empty where it has only memory.

    `distances` are those to each node in the order of `Machine.nodes`, 10 to itself; empty where unknown.
    """

    id: int
    sockets: tuple[int, ...]
    cpus: tuple[int, ...]
    memory_bytes: int | None = None
    distances: tuple[int, ...] = ()


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """One cache and the online CPUs that share it; `kind` is `data`, `instruction`, `unified` or `unknown`."""

    level: int
    kind: str
    size_bytes: int | None
    cpus: tuple[int, ...]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The online part of a machine; every tuple is sorted by id."""

    cpus: tuple[Cpu, ...]
    nodes: tuple[Node, ...]
    caches: tuple[Cache, ...]
    isa: tuple[str, ...]
    model_name: str | None

    @property
    def sockets(self) -> int:
        """Processor packages with an online CPU."""
        return len({cpu.socket for cpu in self.cpus})

    @property
    def numa_nodes(self) -> int:
        """NUMA nodes, those with memory only included."""
        return len(self.nodes)

    @property
    def cores(self) -> int:
        """Physical cores with an online CPU."""
        return len({cpu.core for cpu in self.cpus})

    @property
    def logical_cpus(self) -> int:
        """Online CPUs."""
        return len(self.cpus)

    @property
    def smt(self) -> int:
        """Online threads of the core that has most of them."""
        threads: dict[int, int] = {}
        for cpu in self.cpus:
            threads[cpu.core] = threads.get(cpu.core, 0) + 1
        return max(threads.values())

    @property
    def performance_cores(self) -> int:
        """Cores that are not efficient ones; all of them unless the machine is hybrid."""
        return self.cores - self.efficient_cores

    @property
    def efficient_cores(self) -> int:
        """Cores of the slower kind of a hybrid machine."""
        return len({cpu.core for cpu in self.cpus if cpu.kind is CoreKind.EFFICIENT})
