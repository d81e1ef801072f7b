"""The caches and which CPUs share them: `cache/indexN` of Documentation/ABI/testing/sysfs-devices-system-cpu.

As in hwloc, a cache whose mask is empty (ia64) belongs to its core, and an index without a level is ignored.
"""

import re

from autotp.topology.hardware.layout import Layout
from autotp.topology.hardware.machine import Cache
from autotp.topology.hardware.online import CPU_FOLDER
from autotp.topology.tree.cpulist import parse_cpulist, parse_cpumask
from autotp.topology.tree.tree import Tree, parse_integer

_INDEX = re.compile(r"index[0-9]", re.ASCII)  # hwloc's bound; real CPUs have up to five
_MAX_LEVEL = 10
_SIZE = re.compile(r"([0-9]{1,12})([KMG]?)", re.ASCII)
_KINDS = {"Data": "data", "Instruction": "instruction", "Unified": "unified"}
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def read_caches(tree: Tree, layout: Layout) -> tuple[Cache, ...]:
    """Return all caches sorted by level, kind and CPUs; none if the kernel doesn't list them."""
    caches: set[Cache] = set()
    seen: set[tuple[int, str]] = set()
    for cpu in layout.online:
        for index in tree.names(f"{CPU_FOLDER}/cpu{cpu}/cache", _INDEX):
            cache = None if (cpu, index) in seen else _cache(tree, layout, cpu, index)
            if cache is not None:
                caches.add(cache)
                seen.update((sibling, index) for sibling in cache.cpus)
    return tuple(sorted(caches, key=lambda cache: (cache.level, cache.kind, cache.cpus)))


def _cache(tree: Tree, layout: Layout, cpu: int, index: str) -> Cache | None:
    folder = f"{CPU_FOLDER}/cpu{cpu}/cache/{index}"
    level = tree.parse(f"{folder}/level", _level)
    cpus = _sharing(tree, layout, cpu, folder)
    if level is None or cpus is None:
        return None
    return Cache(
        level=level,
        kind=_KINDS.get(tree.text(f"{folder}/type") or "", "unknown"),
        size_bytes=tree.parse(f"{folder}/size", parse_size),
        cpus=cpus,
    )


def _level(text: str) -> int:
    level = parse_integer(text)
    if not 1 <= level <= _MAX_LEVEL:
        raise ValueError(f"{level} is not the level of a cache")
    return level


def _sharing(tree: Tree, layout: Layout, cpu: int, folder: str) -> tuple[int, ...] | None:
    found = tree.parse(f"{folder}/shared_cpu_map", parse_cpumask)
    if found is None:
        found = tree.parse(f"{folder}/shared_cpu_list", parse_cpulist)
    if found is None:
        return None
    if not found:
        found = tuple(other for other, core in layout.core_of.items() if core == layout.core_of[cpu])
    return tuple(sorted({cpu, *found}.intersection(layout.online)))


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `2048K`; ValueError for anything else."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a size such as 2048K")
    return int(match[1]) * _UNITS[match[2]]
