"""Counters of CPU time that some CPUs and our control groups have used; read before and after a measurement.

Sources: /proc/stat (Documentation/filesystems/proc.rst, 1.7), in ticks of usually 10 ms; cpu.stat of the groups
that have a quota (Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst).
"""

import os
import re
from collections.abc import Iterable

import msgspec

from autotp.topology.envelope.envelope import quota_folders
from autotp.topology.tree.ticks import read_ticks, ticks_of
from autotp.topology.tree.tree import Tree

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")

_THROTTLED = {"throttled_usec": 1e-6, "throttled_time": 1e-9}  # v2 and v1
_THROTTLED_LINE = re.compile(r"^(throttled_usec|throttled_time) ([0-9]{1,20})$", re.ASCII | re.MULTILINE)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds so far: CPU time of all processes on some CPUs, CPU time taken by the host, time stopped by quotas.

    CPUs that `/proc/stat` doesn't list aren't counted.
    """

    busy_s: float
    steal_s: float
    throttled_s: float

    def since(self, before: "Usage") -> "Usage":
        """Return the usage since `before`; a counter that went back gives zero."""
        return Usage(
            busy_s=max(0.0, self.busy_s - before.busy_s),
            steal_s=max(0.0, self.steal_s - before.steal_s),
            throttled_s=max(0.0, self.throttled_s - before.throttled_s),
        )


class UsageReader:
    """Reads the usage of `cpus` and of the control groups that this process is in when the reader is made."""

    def __init__(self, cpus: Iterable[int], tree: Tree | None = None) -> None:
        self._cpus = frozenset(cpus)
        self._tree = tree or Tree(None)
        self._groups = [folder for folder in quota_folders(self._tree) if self._throttled_s(folder) is not None]

    def read(self) -> Usage:
        """Return the usage so far."""
        ticks = ticks_of(self._cpus, read_ticks(self._tree)).values()
        steal = sum(cpu.steal or 0 for cpu in ticks)
        return Usage(
            busy_s=TICK_S * (sum(cpu.total - cpu.idle for cpu in ticks) - steal),
            steal_s=TICK_S * steal,
            throttled_s=max((self._throttled_s(folder) or 0.0 for folder in self._groups), default=0.0),
        )

    def _throttled_s(self, folder: str) -> float | None:
        found = _THROTTLED_LINE.search(self._tree.text(f"{folder}/cpu.stat") or "")
        return int(found[2]) * _THROTTLED[found[1]] if found else None
