"""Which cores of a hybrid processor are efficient ones, that is the slower ones.

Three sources are tried in this order: Intel's perf units `cpu_core` and `cpu_atom` list the CPUs of each kind (as
in hwloc's `look_sysfscpukinds`); arm64, and x86 since Linux 6.12, give each CPU a `cpu_capacity`
(Documentation/ABI/testing/sysfs-devices-system-cpu); and the E-cores of every hybrid processor of Intel's have a
smaller first-level data cache, which identifies them in a recording without the other two.
"""

from itertools import pairwise

from autotp.topology.hardware.layout import Layout
from autotp.topology.hardware.machine import Cache, CoreKind
from autotp.topology.hardware.online import CPU_FOLDER
from autotp.topology.tree.cpulist import parse_cpulist
from autotp.topology.tree.tree import Tree, parse_integer

_EFFICIENT_UNITS = ("cpu_atom", "cpu_lowpower")

# Cores of one kind differ by some per cent, as the best of them may clock higher; hwloc has the same tolerance.
_OTHER_KIND = 1.1

# The kernel's SCHED_CAPACITY_SCALE, the capacity of the fastest, is 1024; a few have exceeded it.
_MAX_CAPACITY = 65_536


def read_kinds(tree: Tree, layout: Layout, caches: tuple[Cache, ...]) -> dict[int, CoreKind]:
    """Return the kind of each online CPU. If all would be efficient, the machine isn't hybrid and none is."""
    efficient = (
        _by_perf_unit(tree) & set(layout.online)
        or _by_capacity(tree, layout)
        or _by_first_level_cache(layout, caches)
    )
    cores = {layout.core_of[cpu] for cpu in efficient}
    if len(cores) == len(set(layout.core_of.values())):
        cores = set()
    return {
        cpu: CoreKind.EFFICIENT if core in cores else CoreKind.PERFORMANCE for cpu, core in layout.core_of.items()
    }


def _by_perf_unit(tree: Tree) -> set[int]:
    lists = (tree.parse(f"sys/devices/{unit}/cpus", parse_cpulist) for unit in _EFFICIENT_UNITS)
    return {cpu for cpus in lists for cpu in cpus or ()}


def _by_capacity(tree: Tree, layout: Layout) -> set[int]:
    """Return the CPUs below the largest step between capacities; often there are three: prime, big and little."""
    found = {cpu: tree.parse(f"{CPU_FOLDER}/cpu{cpu}/cpu_capacity", _capacity) for cpu in layout.online}
    known = {cpu: capacity for cpu, capacity in found.items() if capacity is not None and capacity > 0}
    steps = ((high / low, low) for low, high in pairwise(sorted(set(known.values()))))
    ratio, limit = max(steps, default=(1.0, 0))
    return {cpu for cpu, capacity in known.items() if capacity <= limit} if ratio > _OTHER_KIND else set()


def _capacity(text: str) -> int:
    capacity = parse_integer(text)
    if not 0 <= capacity <= _MAX_CAPACITY:
        raise ValueError(f"{capacity} is not a capacity between 0 and {_MAX_CAPACITY}")
    return capacity


def _by_first_level_cache(layout: Layout, caches: tuple[Cache, ...]) -> set[int]:
    """Return the CPUs whose first-level data cache is smaller than another's on the same socket."""
    largest: dict[int, int] = {}
    first_level = [(cpu, c.size_bytes or 0) for c in caches if (c.level, c.kind) == (1, "data") for cpu in c.cpus]
    for cpu, size in first_level:
        socket = layout.socket_of[cpu]
        largest[socket] = max(size, largest.get(socket, 0))
    return {cpu for cpu, size in first_level if 0 < size < largest[layout.socket_of[cpu]]}
