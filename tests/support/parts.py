"""What a described machine is made of: CPUs and caches, and words for the ways in which machines differ."""

from dataclasses import dataclass
from enum import StrEnum

SSE_FLAGS = ("fpu", "sse", "sse2", "ssse3", "sse4_1", "sse4_2", "popcnt")
AVX2_FLAGS = (*SSE_FLAGS, "avx", "f16c", "fma", "bmi1", "bmi2", "avx2")
AVX512_FLAGS = (*AVX2_FLAGS, "avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl", "avx512_vnni")
AMX_FLAGS = (*AVX512_FLAGS, "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile", "amx_int8")


class Maker(StrEnum):
    """Whose processor it is, by the word in /proc/cpuinfo that says so."""

    INTEL = "GenuineIntel"
    AMD = "AuthenticAMD"
    ARM = "0x41"
    RISCV = "riscv"


class Numbering(StrEnum):
    """In which order CPUs get their ids, first criterion first."""

    CORES_FIRST = "thread, core"
    SIBLINGS_ADJACENT = "core, thread"
    ROUND_ROBIN = "thread, core in the socket, socket"


class Sharing(StrEnum):
    """Whose cores share an L3 cache; `CLUSTER` is `cores_per_cluster` cores of a socket, as AMD's CCX."""

    SOCKET = "socket"
    NODE = "node"
    CLUSTER = "cluster"
    NONE = "none"


class KindsBy(StrEnum):
    """Where the kernel says which cores are efficient; the sizes of L1 caches always show it, too."""

    PERF_UNITS = "cpu_core and cpu_atom"
    CAPACITY = "cpu_capacity"
    CACHES = "caches alone"


class Part(StrEnum):
    """A folder that some kernels and recordings don't have."""

    TOPOLOGY = "topology"
    CACHE = "cache"
    NODE = "node"


@dataclass(frozen=True)
class Cpu:
    """One logical CPU; `core` and `socket` count over the machine, `core_id` and `node` are the kernel's ids."""

    id: int
    core: int
    core_id: int
    thread: int
    socket: int
    node: int
    efficient: bool = False
    online: bool = True


@dataclass(frozen=True)
class Cache:
    """One `cache/indexN` of a CPU and the online CPUs that share it."""

    index: int
    level: int
    kind: str
    size_kib: int
    ways: int
    shared: tuple[int, ...]
