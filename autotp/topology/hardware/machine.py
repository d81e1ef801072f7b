"""Types that describe the hardware: online CPUs, and the cores, sockets, NUMA nodes and caches they form."""

from enum import StrEnum

import msgspec


class CoreKind(StrEnum):
    """The kinds of cores of a hybrid processor; on any other machine all are performance cores."""

    PERFORMANCE = "performance"
    EFFICIENT = "efficient"


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """One logical CPU. `core` counts from 0 over the whole machine; `socket` and `node` are the kernel's ids."""

    id: int
    core: int
    socket: int
    node: int
    kind: CoreKind = CoreKind.PERFORMANCE


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A NUMA node with its online CPUs and the sockets they are on; both are empty if it has only memory.

    `distances` to each node are in the order of `Machine.nodes`, 10 to itself; empty if unknown.
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
    """The online part of a machine. CPUs and nodes are sorted by id, caches by level, kind and CPUs.

    `listed` is False if the machine's own files, which OpenVINO reads, list other CPUs as online.
    """

    cpus: tuple[Cpu, ...]
    nodes: tuple[Node, ...]
    caches: tuple[Cache, ...]
    isa: tuple[str, ...]
    model_name: str | None
    listed: bool = True

    @property
    def sockets(self) -> int:
        """Number of processor packages with an online CPU."""
        return len({cpu.socket for cpu in self.cpus})

    @property
    def numa_nodes(self) -> int:
        """Number of NUMA nodes, including those with memory only."""
        return len(self.nodes)

    @property
    def cores(self) -> int:
        """Number of physical cores with an online CPU."""
        return len({cpu.core for cpu in self.cpus})

    @property
    def logical_cpus(self) -> int:
        """Number of online CPUs."""
        return len(self.cpus)

    @property
    def smt(self) -> int:
        """Number of online hardware threads of the core that has most."""
        threads: dict[int, int] = {}
        for cpu in self.cpus:
            threads[cpu.core] = threads.get(cpu.core, 0) + 1
        return max(threads.values())

    @property
    def performance_cores(self) -> int:
        """Number of cores that are not efficient ones; all cores unless the machine is hybrid."""
        return self.cores - self.efficient_cores

    @property
    def efficient_cores(self) -> int:
        """Number of cores of the slower kind of a hybrid machine."""
        return len({cpu.core for cpu in self.cpus if cpu.kind is CoreKind.EFFICIENT})
