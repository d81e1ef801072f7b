"""Writes the `/sys` and `/proc` files of a machine that a test describes, so that no test needs it.

What is written is what the readers under test read: our probe, `lscpu -s DIR`, OpenVINO's
`lin_system_conf.cpp` (`cpu/possible`, `cpu/online`, the `shared_cpu_list` of cache indexes 0, 2 and 3,
`nodeN/cpulist`) and the hwloc that TBB uses, which prefers `/sys/bus/{cpu,node}/devices` to
`/sys/devices/system`. Names and formats are the kernel's: Documentation/admin-guide/cputopology.rst and
Documentation/ABI/stable/{sysfs-devices-node,sysfs-devices-system-cpu}.

Everything is derived from `Described.cpus`: a new oddity (an offline CPU, a sparse id) is a new fact of a
`Cpu`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

_CPU = "sys/devices/system/cpu"
_NODE = "sys/devices/system/node"
_LOCAL, _SAME_SOCKET, _REMOTE = 10, 12, 21

SSE_FLAGS = ("fpu", "sse", "sse2", "ssse3", "sse4_1", "sse4_2", "popcnt")
AVX2_FLAGS = (*SSE_FLAGS, "avx", "f16c", "fma", "bmi1", "bmi2", "avx2")
AVX512_FLAGS = (*AVX2_FLAGS, "avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl", "avx512_vnni")
AMX_FLAGS = (*AVX512_FLAGS, "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile", "amx_int8")


@dataclass(frozen=True)
class Cpu:
    """One logical CPU; `core` counts over the machine, `core_id` in the socket, `thread` in the core."""

    id: int
    core: int
    core_id: int
    thread: int
    socket: int
    node: int


@dataclass(frozen=True)
class Cache:
    """One `cache/indexN` of a CPU and the CPUs that share it."""

    index: int
    level: int
    kind: str
    size_kib: int
    ways: int
    shared: tuple[int, ...]


@dataclass(frozen=True)
class Described:
    """A machine to pretend. CPUs are numbered as on Intel servers: all cores first, then their SMT siblings.

    `sockets_per_node` above 1 makes one NUMA node of several sockets; `nodes_per_socket` must then be 1, and
    `cores_per_node` still counts the cores of a whole node. Each socket has one die and one L3 cache.
    """

    sockets: int = 1
    nodes_per_socket: int = 1
    cores_per_node: int = 1
    smt: int = 1
    sockets_per_node: int = 1
    flags: tuple[str, ...] = AMX_FLAGS
    brand: str = "Intel(R) Xeon(R) Platinum 8480+"
    memory_bytes_per_node: int = 64 * 2**30

    def __post_init__(self) -> None:
        counts = (self.sockets, self.nodes_per_socket, self.cores_per_node, self.smt, self.sockets_per_node)
        if min(counts) < 1:
            raise ValueError(f"every count must be 1 or more: {counts}")
        if self.sockets_per_node > 1 and self.nodes_per_socket > 1:
            raise ValueError("a socket has several nodes or a node several sockets, not both")
        if self.sockets % self.sockets_per_node or self.cores_per_node % self.sockets_per_node:
            raise ValueError("sockets_per_node must divide sockets and cores_per_node")

    @property
    def numa_nodes(self) -> int:
        """NUMA nodes of the machine."""
        return self.sockets * self.nodes_per_socket // self.sockets_per_node

    @property
    def cores_per_socket(self) -> int:
        """Physical cores of one socket."""
        return self.cores_per_node * self.nodes_per_socket // self.sockets_per_node

    @property
    def cores(self) -> int:
        """Physical cores of the machine."""
        return self.numa_nodes * self.cores_per_node

    @property
    def logical_cpus(self) -> int:
        """Logical CPUs of the machine."""
        return self.cores * self.smt

    @cached_property
    def cpus(self) -> tuple[Cpu, ...]:
        """All logical CPUs by id."""
        return tuple(self._cpu(thread, core) for thread in range(self.smt) for core in range(self.cores))

    def _cpu(self, thread: int, core: int) -> Cpu:
        socket, core_id = divmod(core, self.cores_per_socket)
        return Cpu(thread * self.cores + core, core, core_id, thread, socket, core // self.cores_per_node)

    def of_core(self, core: int) -> tuple[int, ...]:
        """Ids of the CPUs of a core (counted over the machine)."""
        return self._of_cores(core, 1)

    def of_socket(self, socket: int) -> tuple[int, ...]:
        """Ids of the CPUs of a socket."""
        return self._of_cores(socket * self.cores_per_socket, self.cores_per_socket)

    def of_node(self, node: int) -> tuple[int, ...]:
        """Ids of the CPUs of a NUMA node."""
        return self._of_cores(node * self.cores_per_node, self.cores_per_node)

    def _of_cores(self, first: int, count: int) -> tuple[int, ...]:
        cores = range(first, first + count)
        return tuple(thread * self.cores + core for thread in range(self.smt) for core in cores)

    def sockets_of_node(self, node: int) -> tuple[int, ...]:
        """Ids of the sockets that a NUMA node belongs to."""
        return tuple(sorted({self.cpus[cpu].socket for cpu in self.of_node(node)}))

    def caches(self, cpu: Cpu) -> tuple[Cache, ...]:
        """The caches of a CPU, as on a Xeon of the fourth generation."""
        core, socket = self.of_core(cpu.core), self.of_socket(cpu.socket)
        return (
            Cache(index=0, level=1, kind="Data", size_kib=48, ways=12, shared=core),
            Cache(index=1, level=1, kind="Instruction", size_kib=32, ways=8, shared=core),
            Cache(index=2, level=2, kind="Unified", size_kib=2048, ways=16, shared=core),
            Cache(index=3, level=3, kind="Unified", size_kib=107520, ways=15, shared=socket),
        )


def cpu_list(cpus: Sequence[int]) -> str:
    """The kernel's list format: `0-3,8`.

    >>> cpu_list((8, 0, 1, 2, 3))
    '0-3,8'
    """
    ids = sorted(cpus)
    starts = [ids[0], *(b for a, b in pairwise(ids) if b != a + 1)] if ids else []
    ends = [*(a for a, b in pairwise(ids) if b != a + 1), ids[-1]] if ids else []
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


def cpu_map(cpus: Sequence[int], possible: int) -> str:
    """The kernel's mask format: hexadecimal words of 32 CPUs, highest first, as wide as the possible CPUs.

    >>> cpu_map((0, 33), 36)
    '2,00000001'
    """
    digits = f"{sum(1 << cpu for cpu in cpus):0{(possible + 3) // 4}x}"
    head = len(digits) % 8
    words = [digits[i : i + 8] for i in range(head, len(digits), 8)]
    return ",".join([digits[:head], *words] if head else words)


def build(described: Described, root: Path) -> Path:
    """Write the tree of `described` into `root` (made if missing, else empty) and return `root`."""
    for name, text in files(described):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, target in links(described):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return root


def files(described: Described) -> Iterator[tuple[str, str]]:
    """Each file of the tree: path below the root, and text."""
    yield from _system_files(described)
    for cpu in described.cpus:
        yield from _cpu_files(described, cpu)
    for node in range(described.numa_nodes):
        yield from _node_files(described, node)
    yield "proc/cpuinfo", "\n".join(_cpuinfo(described, cpu) for cpu in described.cpus)
    yield "proc/meminfo", _meminfo("", described.numa_nodes * described.memory_bytes_per_node)
    yield "proc/self/status", _status(described)


def links(described: Described) -> Iterator[tuple[str, str]]:
    """Each symbolic link of the tree: path below the root, and target."""
    for cpu in described.cpus:
        yield f"sys/bus/cpu/devices/cpu{cpu.id}", f"../../../devices/system/cpu/cpu{cpu.id}"
        yield f"{_CPU}/cpu{cpu.id}/node{cpu.node}", f"../../node/node{cpu.node}"
        yield f"{_NODE}/node{cpu.node}/cpu{cpu.id}", f"../../cpu/cpu{cpu.id}"
    for node in range(described.numa_nodes):
        yield f"sys/bus/node/devices/node{node}", f"../../../devices/system/node/node{node}"


def _system_files(described: Described) -> Iterator[tuple[str, str]]:
    cpus, nodes = cpu_list(range(described.logical_cpus)), cpu_list(range(described.numa_nodes))
    for name in ("online", "possible", "present"):
        yield f"{_CPU}/{name}", f"{cpus}\n"
    for name in ("offline", "isolated"):
        yield f"{_CPU}/{name}", "\n"
    yield f"{_CPU}/kernel_max", "8191\n"
    yield f"{_CPU}/smt/active", f"{int(described.smt > 1)}\n"
    for name in ("online", "possible", "has_cpu", "has_memory", "has_normal_memory"):
        yield f"{_NODE}/{name}", f"{nodes}\n"


def _cpu_files(described: Described, cpu: Cpu) -> Iterator[tuple[str, str]]:
    folder = f"{_CPU}/cpu{cpu.id}"
    if cpu.id:  # x86 kernels give cpu0, which can't go offline, no such file
        yield f"{folder}/online", "1\n"
    yield f"{folder}/topology/physical_package_id", f"{cpu.socket}\n"
    yield f"{folder}/topology/die_id", "0\n"
    yield f"{folder}/topology/core_id", f"{cpu.core_id}\n"
    core, socket = described.of_core(cpu.core), described.of_socket(cpu.socket)
    for name in ("core_cpus", "thread_siblings"):
        yield from _shared(described, f"{folder}/topology/{name}", core)
    for name in ("package_cpus", "core_siblings", "die_cpus"):
        yield from _shared(described, f"{folder}/topology/{name}", socket)
    for cache in described.caches(cpu):
        yield from _cache_files(described, f"{folder}/cache/index{cache.index}", cache)


def _cache_files(described: Described, folder: str, cache: Cache) -> Iterator[tuple[str, str]]:
    yield f"{folder}/id", f"{cache.shared[0]}\n"
    yield f"{folder}/level", f"{cache.level}\n"
    yield f"{folder}/type", f"{cache.kind}\n"
    yield f"{folder}/size", f"{cache.size_kib}K\n"
    yield f"{folder}/coherency_line_size", "64\n"
    yield f"{folder}/ways_of_associativity", f"{cache.ways}\n"
    yield f"{folder}/number_of_sets", f"{cache.size_kib * 1024 // 64 // cache.ways}\n"
    yield f"{folder}/physical_line_partition", "1\n"
    yield f"{folder}/shared_cpu_map", f"{cpu_map(cache.shared, described.logical_cpus)}\n"
    yield f"{folder}/shared_cpu_list", f"{cpu_list(cache.shared)}\n"


def _node_files(described: Described, node: int) -> Iterator[tuple[str, str]]:
    folder, cpus = f"{_NODE}/node{node}", described.of_node(node)
    yield f"{folder}/cpulist", f"{cpu_list(cpus)}\n"
    yield f"{folder}/cpumap", f"{cpu_map(cpus, described.logical_cpus)}\n"
    yield f"{folder}/distance", " ".join(_distances(described, node)) + "\n"
    yield f"{folder}/meminfo", _meminfo(f"Node {node} ", described.memory_bytes_per_node)


def _distances(described: Described, node: int) -> Iterator[str]:
    sockets = described.sockets_of_node(node)
    for other in range(described.numa_nodes):
        near = _SAME_SOCKET if described.sockets_of_node(other) == sockets else _REMOTE
        yield str(_LOCAL if other == node else near)


def _shared(described: Described, name: str, cpus: Sequence[int]) -> Iterator[tuple[str, str]]:
    yield name, f"{cpu_map(cpus, described.logical_cpus)}\n"
    yield f"{name}_list", f"{cpu_list(cpus)}\n"


def _meminfo(prefix: str, total_bytes: int) -> str:
    total_kib = total_bytes // 1024
    facts = (("MemTotal", total_kib), ("MemFree", total_kib // 2), ("MemAvailable", total_kib // 2))
    return "".join(f"{prefix}{name + ':':<15} {kib} kB\n" for name, kib in facts)


def _cpuinfo(described: Described, cpu: Cpu) -> str:
    cores, smt = described.cores_per_socket, described.smt
    facts: dict[str, object] = {
        "processor": cpu.id,
        "vendor_id": "GenuineIntel",
        "cpu family": 6,
        "model": 143,
        "model name": described.brand,
        "stepping": 8,
        "microcode": "0x2b000590",
        "physical id": cpu.socket,
        "siblings": cores * smt,
        "core id": cpu.core_id,
        "cpu cores": cores,
        "apicid": (cpu.socket * cores + cpu.core_id) * smt + cpu.thread,
        "flags": " ".join(described.flags),
    }
    return "".join(f"{name:<15}: {value}\n" for name, value in facts.items())


def _status(described: Described) -> str:
    cpus, nodes = range(described.logical_cpus), range(described.numa_nodes)
    return (
        "Name:\tautotp\nThreads:\t1\n"
        f"Cpus_allowed:\t{cpu_map(cpus, described.logical_cpus)}\nCpus_allowed_list:\t{cpu_list(cpus)}\n"
        f"Mems_allowed:\t{cpu_map(nodes, described.numa_nodes)}\nMems_allowed_list:\t{cpu_list(nodes)}\n"
    )
