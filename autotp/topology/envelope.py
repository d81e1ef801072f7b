"""What this process may use of the machine: CPUs, CPU time and memory.

On the live machine `sched_getaffinity` alone decides which CPUs: the kernel has applied every cpuset to it.
OpenVINO and TBB know nothing of a CPU quota, so nobody but us takes it into account. File formats:
Documentation/admin-guide/cgroup-v2.rst (`cpu.max`, `memory.max`, `cpuset.cpus.effective`),
Documentation/scheduler/sched-bwc.rst and Documentation/admin-guide/cgroup-v1/{cpusets,memory}.rst.
"""

import os
from collections.abc import Iterator

import msgspec

from autotp.topology.cgroup import group_chains
from autotp.topology.cpulist import format_cpulist, parse_cpulist
from autotp.topology.tree import Tree, parse_integer

_CPUSET_FILES = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus", "cpus")
_STATUS = "proc/self/status"
_ALLOWED = "Cpus_allowed_list:"
_DEFAULT_PERIOD_US = 100_000

# cgroup v1 writes "no limit" as the largest multiple of a page that a signed 64-bit number holds.
_NO_LIMIT_BYTES = 2**62


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """`cpus` by id; `cpu_quota` in CPUs (1.5 is 150 ms in each 100 ms); None where there is no limit."""

    cpus: tuple[int, ...]
    cpu_quota: float | None
    memory_limit_bytes: int | None


def read_envelope(tree: Tree, online: tuple[int, ...]) -> Envelope:
    """The envelope of this process, or of the one that was recorded.

    Of all groups that this process is in, and their ancestors, the tightest limit counts: each of them holds.
    """
    quotas = (_quota(tree, folder) for folder in _folders(tree, "cpu"))
    limits = (_memory_limit(tree, folder) for folder in _folders(tree, "memory"))
    return Envelope(
        cpus=_recorded_cpus(tree, online) if tree.recorded else tuple(sorted(os.sched_getaffinity(0))),
        cpu_quota=min((quota for quota in quotas if quota is not None), default=None),
        memory_limit_bytes=min((limit for limit in limits if limit is not None), default=None),
    )


def _folders(tree: Tree, controller: str) -> Iterator[str]:
    return (folder for chain in group_chains(tree, controller) for folder in chain)


def _recorded_cpus(tree: Tree, online: tuple[int, ...]) -> tuple[int, ...]:
    cpus = set(online)
    for allowed in (*_cpusets(tree), tree.parse(_STATUS, _allowed_cpus)):
        cpus &= set(allowed or online)
    if not cpus:
        raise tree.error(_STATUS, f"it and the cpuset leave none of the online CPUs {format_cpulist(online)}")
    return tuple(sorted(cpus))


def _cpusets(tree: Tree) -> Iterator[tuple[int, ...]]:
    """The cpuset of each hierarchy: that of the nearest group, because a group without one inherits it."""
    for chain in group_chains(tree, "cpuset"):
        found = (tree.parse(f"{folder}/{name}", parse_cpulist) for folder in chain for name in _CPUSET_FILES)
        yield next((cpus for cpus in found if cpus), ())


def _allowed_cpus(status: str) -> tuple[int, ...]:
    lists = (line.removeprefix(_ALLOWED) for line in status.splitlines() if line.startswith(_ALLOWED))
    return parse_cpulist(next(lists, ""))


def _quota(tree: Tree, folder: str) -> float | None:
    quota = tree.parse(f"{folder}/cpu.max", _cpu_max)
    quota_us = tree.number(f"{folder}/cpu.cfs_quota_us")
    if quota is not None or quota_us is None or quota_us <= 0:
        return quota
    return quota_us / (tree.parse(f"{folder}/cpu.cfs_period_us", _positive) or _DEFAULT_PERIOD_US)


def _cpu_max(text: str) -> float | None:
    quota_us, _, period_us = text.partition(" ")
    if quota_us == "max":
        return None
    return _positive(quota_us) / (_positive(period_us.strip()) if period_us else _DEFAULT_PERIOD_US)


def _positive(text: str) -> int:
    number = parse_integer(text)
    if number <= 0:
        raise ValueError(f"{number} is not a number above 0")
    return number


def _memory_limit(tree: Tree, folder: str) -> int | None:
    limit = tree.parse(f"{folder}/memory.max", _memory_max)
    if limit is None:
        limit = tree.parse(f"{folder}/memory.limit_in_bytes", _memory_max)
    return limit


def _memory_max(text: str) -> int | None:
    limit = None if text == "max" else parse_integer(text)
    return limit if limit is not None and 0 <= limit < _NO_LIMIT_BYTES else None
