"""What this process may use of the machine: CPUs, CPU time and memory.

OpenVINO and TBB ignore a CPU quota, so autotp must take it into account. File formats:
Documentation/admin-guide/cgroup-v2.rst (`cpu.max`, `memory.max`), Documentation/scheduler/sched-bwc.rst and
Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import msgspec

from autotp.topology.envelope.cgroup import group_chains
from autotp.topology.envelope.cpuset import CpusReason, read_allowed
from autotp.topology.tree.tree import Tree, parse_integer, printable

T = TypeVar("T", int, float)

_DEFAULT_PERIOD_US = 100_000
_MAX_PERIOD_US = 1_000_000

# cgroup v1 writes "no limit" as the largest multiple of a page that a signed 64-bit number holds.
_NO_LIMIT_BYTES = 2**62


class Reasons(msgspec.Struct, frozen=True, kw_only=True):
    """Why the envelope has its limits: the folders of the control groups that set them, None if none did."""

    cpus: CpusReason = CpusReason.UNKNOWN
    cpuset_folder: str | None = None
    cpu_quota_folder: str | None = None
    memory_limit_folder: str | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What a process may use: `cpus` by id, `cpu_quota` in CPUs (1.5: 150 ms in each 100 ms). None: no limit.

    `cpu_quota_period_s` is the period of the group that sets the quota.
    """

    cpus: tuple[int, ...]
    cpu_quota: float | None
    memory_limit_bytes: int | None
    cpu_quota_period_s: float | None = None
    reasons: Reasons = Reasons()


def read_envelope(tree: Tree, online: tuple[int, ...]) -> Envelope:
    """Return the envelope of this process, or of the one that was recorded.

    The limits of all its groups and of their ancestors apply, so the tightest one counts.
    """
    allowed = read_allowed(tree, online)
    quota, quota_folder = _tightest(tree, quota_folders(tree), _quota)
    limit, limit_folder = _tightest(tree, memory_folders(tree), memory_limit_bytes)
    return Envelope(
        cpus=allowed.cpus,
        cpu_quota=quota,
        memory_limit_bytes=limit,
        cpu_quota_period_s=None if quota_folder is None else _period_s(tree, quota_folder),
        reasons=Reasons(
            cpus=allowed.reason,
            cpuset_folder=_shown(allowed.cpuset_folder),
            cpu_quota_folder=_shown(quota_folder),
            memory_limit_folder=_shown(limit_folder),
        ),
    )


def _shown(folder: str | None) -> str | None:
    return None if folder is None else printable(f"/{folder}")


def quota_folders(tree: Tree) -> Iterator[str]:
    """Return the folders of the groups whose CPU quotas apply to this process."""
    return (folder for chain in group_chains(tree, "cpu") for folder in chain.folders)


def memory_folders(tree: Tree) -> Iterator[str]:
    """Yield the folders of the groups whose memory limits apply to this process.

    Before Linux 5.11 the limit of a v1 group didn't apply to its descendants unless `use_hierarchy` was set.
    """
    for chain in group_chains(tree, "memory"):
        yield chain.folders[0]
        for _, parent in pairwise(chain.folders):
            if tree.number(f"{parent}/memory.use_hierarchy") == 0:
                break
            yield parent


def _tightest(
    tree: Tree, folders: Iterator[str], read: Callable[[Tree, str], T | None]
) -> tuple[T | None, str | None]:
    """Return the lowest limit, and the nearest folder that sets it."""
    found = [(limit, folder) for folder in folders if (limit := read(tree, folder)) is not None]
    return min(found, key=lambda pair: pair[0], default=(None, None))


def _quota(tree: Tree, folder: str) -> float | None:
    bandwidth = _bandwidth_us(tree, folder)
    return bandwidth and bandwidth[0] / bandwidth[1]


def _period_s(tree: Tree, folder: str) -> float | None:
    bandwidth = _bandwidth_us(tree, folder)
    return bandwidth and bandwidth[1] / 1e6


def _bandwidth_us(tree: Tree, folder: str) -> tuple[int, int] | None:
    """Return the CPU time that a group may use in each period, and the period, in microseconds."""
    bandwidth = tree.parse(f"{folder}/cpu.max", _cpu_max)
    quota_us = tree.number(f"{folder}/cpu.cfs_quota_us")
    if bandwidth is not None or quota_us is None or quota_us <= 0:
        return bandwidth
    return quota_us, tree.parse(f"{folder}/cpu.cfs_period_us", _period) or _DEFAULT_PERIOD_US


def _cpu_max(text: str) -> tuple[int, int] | None:
    quota_us, _, period_us = text.partition(" ")
    if quota_us == "max":
        return None
    return _positive(quota_us), _period(period_us.strip()) if period_us else _DEFAULT_PERIOD_US


def _positive(text: str) -> int:
    number = parse_integer(text)
    if number <= 0:
        raise ValueError(f"{number} is not a number above 0")
    return number


def _period(text: str) -> int:
    period_us = _positive(text)
    if period_us > _MAX_PERIOD_US:
        raise ValueError(f"{period_us} is longer than the longest period, {_MAX_PERIOD_US} us")
    return period_us


def memory_limit_bytes(tree: Tree, folder: str) -> int | None:
    """Return the memory limit of a group in bytes; None for none."""
    limit = tree.parse(f"{folder}/memory.max", _memory_max)
    if limit is None:
        limit = tree.parse(f"{folder}/memory.limit_in_bytes", _memory_max)
    return limit


def _memory_max(text: str) -> int | None:
    limit = None if text == "max" else parse_integer(text)
    return limit if limit is not None and 0 <= limit < _NO_LIMIT_BYTES else None
