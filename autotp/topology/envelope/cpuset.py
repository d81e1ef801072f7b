"""Which CPUs this process may run on, and the reason why it is limited to these.

On the live machine `sched_getaffinity` alone decides, because the kernel applies every cpuset to it. The files of
the cpuset only show whether the cpuset or a mask of the process itself is the reason; the reason is unknown if
they are damaged, absent or about other CPUs. For a recording, these files decide.
File formats: Documentation/admin-guide/cgroup-v2.rst (`cpuset.cpus.effective`),
Documentation/admin-guide/cgroup-v1/cpusets.rst and proc_pid_status(5).
"""

import os
from enum import StrEnum
from itertools import takewhile

import msgspec

from autotp.errors import TopologyError
from autotp.topology.envelope.cgroup import group_chains
from autotp.topology.tree.cpulist import format_cpulist, parse_cpulist
from autotp.topology.tree.ticks import read_ticks
from autotp.topology.tree.tree import Tree

CPUSET_FILES = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus", "cpus")
STATUS = "proc/self/status"
ALLOWED_FIELD = "Cpus_allowed_list:"


class CpusReason(StrEnum):
    """Why an envelope has these CPUs."""

    EVERY = "every"  # all that are online
    CPUSET = "cpuset"
    AFFINITY = "affinity"  # a mask of the process, within the cpuset
    CHOSEN = "chosen"  # by the caller of autotp
    UNKNOWN = "unknown"


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """The allowed CPUs by id; `cpuset_folder` is that of the group whose cpuset is the reason, else None."""

    cpus: tuple[int, ...]
    reason: CpusReason
    cpuset_folder: str | None = None


class _Cpuset(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    cpus: frozenset[int]
    is_ours: bool  # False: an ancestor's; ours may have fewer


def read_allowed(tree: Tree, online: tuple[int, ...]) -> Allowed:
    """Return the CPUs that this process, or the one that was recorded, may run on."""
    if tree.recorded:
        cpusets = _cpusets(tree, online)
        cpus = _recorded_cpus(tree, online, cpusets)
    else:
        cpus = read_mask(tree) or online
        cpusets = () if cpus == online else _cpusets_if_sound(tree, online)
    return _explained(tree, cpus, frozenset(online), cpusets)


def read_mask(tree: Tree) -> tuple[int, ...]:
    """Return the CPUs of the process's mask; in a recording also offline ones, and none if it isn't known."""
    return tree.parse(STATUS, _mask) or () if tree.recorded else tuple(sorted(os.sched_getaffinity(0)))


def _recorded_cpus(tree: Tree, online: tuple[int, ...], cpusets: tuple[_Cpuset, ...]) -> tuple[int, ...]:
    mask = read_mask(tree) or online
    cpus = frozenset(online).intersection(mask, *(cpuset.cpus for cpuset in cpusets))
    if not cpus:
        raise tree.error(STATUS, f"it and the cpuset leave none of the online CPUs {format_cpulist(online)}")
    return tuple(sorted(cpus))


def _mask(status: str) -> tuple[int, ...]:
    lists = (line.removeprefix(ALLOWED_FIELD) for line in status.splitlines() if line.startswith(ALLOWED_FIELD))
    return parse_cpulist(next(lists, ""))


def _cpusets_if_sound(tree: Tree, online: tuple[int, ...]) -> tuple[_Cpuset, ...]:
    try:
        return _cpusets(tree, online)
    except TopologyError:
        return ()


def _cpusets(tree: Tree, online: tuple[int, ...]) -> tuple[_Cpuset, ...]:
    """Return the cpuset of each hierarchy: the nearest group's, because a group without one inherits it."""
    found = []
    for chain in group_chains(tree, "cpuset"):
        sets = [(folder, cpus & set(online)) for folder in chain.folders if (cpus := _cpus_of_group(tree, folder))]
        found += [_outermost_alike(sets, chain.has_our_group)] if sets else []
    return tuple(found)


def _outermost_alike(sets: list[tuple[str, frozenset[int]]], is_ours: bool) -> _Cpuset:
    """Return the outermost of the groups (leaf first) with the leaf's CPUs: it is the one that sets the limit."""
    cpus = sets[0][1]
    *_, (folder, _) = takewhile(lambda group: group[1] == cpus, sets)
    return _Cpuset(folder=folder, cpus=cpus, is_ours=is_ours)


def _cpus_of_group(tree: Tree, folder: str) -> frozenset[int]:
    found = (tree.parse(f"{folder}/{name}", parse_cpulist) for name in CPUSET_FILES)
    return frozenset(next((cpus for cpus in found if cpus), ()))


def _explained(tree: Tree, cpus: tuple[int, ...], online: frozenset[int], cpusets: tuple[_Cpuset, ...]) -> Allowed:
    if online <= set(cpus):
        return Allowed(cpus=cpus, reason=CpusReason.EVERY)
    unknown = Allowed(cpus=cpus, reason=CpusReason.UNKNOWN)
    # Under a pretended /sys, /proc and the control groups are about other CPUs.
    if not cpusets or set(read_ticks(tree) or online) != online:
        return unknown
    within = online.intersection(*(cpuset.cpus for cpuset in cpusets))
    if set(cpus) == within:
        narrowest = min(cpusets, key=lambda cpuset: len(cpuset.cpus))
        return Allowed(cpus=cpus, reason=CpusReason.CPUSET, cpuset_folder=narrowest.folder)
    is_masked = set(cpus) < within and all(cpuset.is_ours for cpuset in cpusets)
    return Allowed(cpus=cpus, reason=CpusReason.AFFINITY) if is_masked else unknown
