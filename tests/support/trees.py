"""Writes the `/sys` and `/proc` files of a machine that a test describes, so that no test needs it.

What is written is what the readers under test read: our probe, `lscpu -s DIR`, OpenVINO's
`lin_system_conf.cpp` (`cpu/possible`, `cpu/online`, the `shared_cpu_list` of cache indexes 0, 2 and 3,
`nodeN/cpulist`) and the hwloc that TBB uses, which prefers `/sys/bus/{cpu,node}/devices` to
`/sys/devices/system`. Names and formats are the kernel's: Documentation/admin-guide/cputopology.rst and
Documentation/ABI/stable/{sysfs-devices-node,sysfs-devices-system-cpu}. As there, lists and masks of siblings name
online CPUs only, and a CPU that is offline has a folder without `topology` and `cache`.

Everything is derived from `Described`: a new oddity is a new fact there.
"""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from tests.support.described import Described
from tests.support.parts import AVX2_FLAGS, Cache, Cpu, KindsBy, Maker, Part

__all__ = ["AVX2_FLAGS", "Described", "build", "cpu_list", "cpu_map", "files", "links"]

CPU_FOLDER = "sys/devices/system/cpu"
NODE_FOLDER = "sys/devices/system/node"

_CAPACITIES = {False: 1024, True: 446}
_CORE_FILES = ("thread_siblings", "core_cpus")
_SOCKET_FILES = ("core_siblings", "package_cpus", "die_cpus")
_USUAL_KERNEL_MAX = 8191


@lru_cache(maxsize=8192)
def cpu_list(cpus: Sequence[int]) -> str:
    """The kernel's list format: `0-3,8`.

    >>> cpu_list((8, 0, 1, 2, 3))
    '0-3,8'
    """
    ids = sorted(cpus)
    starts = [ids[0], *(b for a, b in pairwise(ids) if b != a + 1)] if ids else []
    ends = [*(a for a, b in pairwise(ids) if b != a + 1), ids[-1]] if ids else []
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


@lru_cache(maxsize=8192)
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
    root.mkdir(parents=True, exist_ok=True)
    made = {""}
    for name, text in files(described):
        _make_folder(root, name, made)
        # A tree has thousands of files, and Path.write_text takes twice as many system calls.
        file = os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, text.encode())
        os.close(file)
    for name, target in links(described):
        _make_folder(root, name, made)
        os.symlink(target, f"{root}/{name}")  # noqa: PTH211 - likewise
    return root


def _make_folder(root: Path, name: str, made: set[str]) -> None:
    folder = name.rpartition("/")[0]
    if folder not in made:
        _make_folder(root, folder, made)
        (root / folder).mkdir()
        made.add(folder)


def files(described: Described) -> Iterator[tuple[str, str]]:
    """Each file of the tree: path below the root, and text."""
    yield from _system_files(described)
    for cpu in described.cpus:
        yield from _cpu_files(described, cpu)
    if Part.NODE not in described.missing:
        yield from _node_files(described)
    if described.efficient_cores and described.kinds_by is KindsBy.PERF_UNITS:
        for unit, efficient in (("cpu_core", False), ("cpu_atom", True)):
            cpus = tuple(cpu.id for cpu in described.online if cpu.efficient is efficient)
            yield f"sys/devices/{unit}/cpus", f"{cpu_list(cpus)}\n"
    yield "proc/cpuinfo", "\n".join(_cpuinfo(described, cpu) for cpu in described.online)
    yield "proc/meminfo", _meminfo("", sum(map(described.node_memory_bytes, described.nodes)))
    yield "proc/self/status", _status(described)


def links(described: Described) -> Iterator[tuple[str, str]]:
    """Each symbolic link of the tree: path below the root, and target."""
    with_nodes = Part.NODE not in described.missing
    for cpu in described.cpus:
        yield f"sys/bus/cpu/devices/cpu{cpu.id}", f"../../../devices/system/cpu/cpu{cpu.id}"
        if with_nodes:
            yield f"{CPU_FOLDER}/cpu{cpu.id}/node{cpu.node}", f"../../node/node{cpu.node}"
            yield f"{NODE_FOLDER}/node{cpu.node}/cpu{cpu.id}", f"../../cpu/cpu{cpu.id}"
    for node in described.nodes if with_nodes else ():
        yield f"sys/bus/node/devices/node{node}", f"../../../devices/system/node/node{node}"


def _possible(described: Described) -> int:
    """How many CPU ids the kernel reckons with: also those in gaps, where a CPU might be plugged in."""
    return described.cpus[-1].id + 1


def _system_files(described: Described) -> Iterator[tuple[str, str]]:
    present, online = ({cpu.id for cpu in cpus} for cpus in (described.cpus, described.online))
    possible = range(_possible(described))
    yield f"{CPU_FOLDER}/online", f"{cpu_list(tuple(online))}\n"
    yield f"{CPU_FOLDER}/possible", f"{cpu_list(possible)}\n"
    yield f"{CPU_FOLDER}/present", f"{cpu_list(tuple(present))}\n"
    yield f"{CPU_FOLDER}/offline", f"{cpu_list(tuple(set(possible) - online))}\n"
    yield f"{CPU_FOLDER}/isolated", "\n"
    yield f"{CPU_FOLDER}/kernel_max", f"{max(_USUAL_KERNEL_MAX, possible[-1])}\n"
    yield f"{CPU_FOLDER}/smt/active", f"{int(len({cpu.core for cpu in described.online}) < len(online))}\n"


def _cpu_files(described: Described, cpu: Cpu) -> Iterator[tuple[str, str]]:
    folder = f"{CPU_FOLDER}/cpu{cpu.id}"
    if cpu.id or not cpu.online:  # x86 kernels give cpu0 no such file unless it can go offline
        yield f"{folder}/online", f"{int(cpu.online)}\n"
    if described.efficient_cores and described.kinds_by is KindsBy.CAPACITY:
        yield f"{folder}/cpu_capacity", f"{_CAPACITIES[cpu.efficient]}\n"
    if cpu.online and Part.TOPOLOGY not in described.missing:
        yield from _topology_files(described, cpu, f"{folder}/topology")
    if cpu.online and Part.CACHE not in described.missing:
        for cache in described.caches(cpu):
            yield from _cache_files(described, f"{folder}/cache/index{cache.index}", cache)
    if {Part.TOPOLOGY, Part.CACHE} <= set(described.missing):
        yield f"{folder}/uevent", "DRIVER=processor\n"  # so that there is a folder all the same


def _topology_files(described: Described, cpu: Cpu, folder: str) -> Iterator[tuple[str, str]]:
    yield f"{folder}/physical_package_id", f"{described.package_id(cpu.socket)}\n"
    yield f"{folder}/core_id", f"{cpu.core_id}\n"
    names = 1 if described.old_kernel else None  # `core_cpus` and `package_cpus` came with Linux 5.3
    for name in _CORE_FILES[:names]:
        yield from _shared(described, f"{folder}/{name}", described.of_core(cpu.core))
    for name in _SOCKET_FILES[:names]:
        yield from _shared(described, f"{folder}/{name}", described.of_socket(cpu.socket))
    if not described.old_kernel:
        yield f"{folder}/die_id", "0\n"


def _cache_files(described: Described, folder: str, cache: Cache) -> Iterator[tuple[str, str]]:
    yield f"{folder}/id", f"{cache.shared[0]}\n"
    yield f"{folder}/level", f"{cache.level}\n"
    yield f"{folder}/type", f"{cache.kind}\n"
    yield f"{folder}/size", f"{cache.size_kib}K\n"
    yield f"{folder}/coherency_line_size", "64\n"
    yield f"{folder}/ways_of_associativity", f"{cache.ways}\n"
    yield f"{folder}/number_of_sets", f"{cache.size_kib * 1024 // 64 // cache.ways}\n"
    yield f"{folder}/physical_line_partition", "1\n"
    yield f"{folder}/shared_cpu_map", f"{cpu_map(cache.shared, _possible(described))}\n"
    yield f"{folder}/shared_cpu_list", f"{cpu_list(cache.shared)}\n"


def _node_files(described: Described) -> Iterator[tuple[str, str]]:
    nodes = described.nodes
    with_cpus = tuple(node for node in nodes if described.of_node(node))
    with_memory = tuple(node for node in nodes if described.node_memory_bytes(node))
    yield f"{NODE_FOLDER}/online", f"{cpu_list(nodes)}\n"
    yield f"{NODE_FOLDER}/possible", f"{cpu_list(range(nodes[-1] + 1))}\n"
    yield f"{NODE_FOLDER}/has_cpu", f"{cpu_list(with_cpus)}\n"
    for name in ("has_memory", "has_normal_memory"):
        yield f"{NODE_FOLDER}/{name}", f"{cpu_list(with_memory)}\n"
    for node in nodes:
        folder, cpus = f"{NODE_FOLDER}/node{node}", described.of_node(node)
        yield f"{folder}/cpulist", f"{cpu_list(cpus)}\n"
        yield f"{folder}/cpumap", f"{cpu_map(cpus, _possible(described))}\n"
        yield f"{folder}/distance", " ".join(str(described.distance(node, other)) for other in nodes) + "\n"
        yield f"{folder}/meminfo", _meminfo(f"Node {node} ", described.node_memory_bytes(node))


def _shared(described: Described, name: str, cpus: Sequence[int]) -> Iterator[tuple[str, str]]:
    yield name, f"{cpu_map(cpus, _possible(described))}\n"
    yield f"{name}_list", f"{cpu_list(cpus)}\n"


def _meminfo(prefix: str, total_bytes: int) -> str:
    total_kib = total_bytes // 1024
    facts = (("MemTotal", total_kib), ("MemFree", total_kib // 2), ("MemAvailable", total_kib // 2))
    return "".join(f"{prefix}{name + ':':<15} {kib} kB\n" for name, kib in facts)


def _cpuinfo(described: Described, cpu: Cpu) -> str:
    """The record of a CPU; only x86 kernels say in it where the CPU is."""
    if described.maker is Maker.ARM:
        facts = {"BogoMIPS": "50.00", "Features": " ".join(described.flags), "CPU implementer": "0x41"}
        facts |= {"CPU architecture": "8", "CPU variant": "0x3", "CPU part": "0xd0c", "CPU revision": "1"}
    elif described.maker is Maker.RISCV:
        facts = {"hart": str(cpu.id), "isa": "rv64imafdc", "mmu": "sv39", "uarch": "sifive,u74-mc"}
    else:
        facts = _x86_cpuinfo(described, cpu)
    return f"{'processor':<15}: {cpu.id}\n" + "".join(f"{name:<15}: {value}\n" for name, value in facts.items())


def _x86_cpuinfo(described: Described, cpu: Cpu) -> dict[str, str]:
    cores = len({other.core for other in described.online if other.socket == cpu.socket})
    family, model = (6, 143) if described.maker is Maker.INTEL else (25, 17)
    return {
        "vendor_id": described.maker,
        "cpu family": f"{family}",
        "model": f"{model}",
        "model name": described.brand,
        "stepping": "8",
        "microcode": "0x2b000590",
        "physical id": f"{described.package_id(cpu.socket)}",
        "siblings": f"{len(described.of_socket(cpu.socket))}",
        "core id": f"{cpu.core_id}",
        "cpu cores": f"{cores}",
        "apicid": f"{(cpu.socket * described.cores_per_socket + cpu.core_id) * described.smt + cpu.thread}",
        "flags": " ".join(described.flags),
    }


def _status(described: Described) -> str:
    cpus, nodes = range(_possible(described)), described.nodes
    return (
        "Name:\tautotp\nThreads:\t1\n"
        f"Cpus_allowed:\t{cpu_map(cpus, len(cpus))}\nCpus_allowed_list:\t{cpu_list(cpus)}\n"
        f"Mems_allowed:\t{cpu_map(nodes, nodes[-1] + 1)}\nMems_allowed_list:\t{cpu_list(nodes)}\n"
    )
