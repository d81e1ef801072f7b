"""Control groups with a CPU quota or little memory, for tests that must know how OpenVINO and workers fare in one.

OpenVINO and TBB size themselves by the affinity mask and never look at a quota, so only a real one shows what
it does to latencies. The group outweighs its neighbours, so that the quota alone holds it back. And only a real
memory limit calls the kernel's OOM killer on one process. Interfaces: Documentation/scheduler/sched-bwc.rst (v1,
`cpu.cfs_quota_us`), sched-design-CFS.rst (`cpu.shares`), admin-guide/cgroup-v1/memory.rst
(`memory.limit_in_bytes`) and admin-guide/cgroup-v2.rst (`cpu.max`, `cpu.weight`, `memory.max`) in the kernel's
tree.
"""

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic, sleep

import pytest

PERIOD_US = 100_000
MOST_SHARES = 262_144  # of v1
MOST_WEIGHT = 10_000  # of v2
_GONE_WITHIN_S = 10.0
_JOIN_THEN_EXEC = 'echo $$ > "$0" && exec "$@"'


class Group:
    """A group of this test's own: `command` makes a command line run in it, with all that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def command(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command line that enters the group and then becomes `argv`."""
        return ("sh", "-c", _JOIN_THEN_EXEC, str(self.folder / "cgroup.procs"), *argv)

    def limit(self, cpus: float, period_us: int = PERIOD_US) -> None:
        """Let the group use `cpus` CPUs' worth of time in each period, and have it before all neighbours."""
        quota_us = round(cpus * period_us)
        if (self.folder / "cpu.cfs_quota_us").exists():
            self._write({"cpu.cfs_period_us": period_us, "cpu.cfs_quota_us": quota_us, "cpu.shares": MOST_SHARES})
        else:
            self._write({"cpu.max": f"{quota_us} {period_us}", "cpu.weight": MOST_WEIGHT})

    def limit_memory(self, most_bytes: int) -> None:
        """Let the group use so much memory, and kill in it what wants more."""
        v1 = (self.folder / "memory.limit_in_bytes").exists()
        self._write({"memory.limit_in_bytes" if v1 else "memory.max": most_bytes})

    def _write(self, settings: Mapping[str, object]) -> None:
        for name, value in settings.items():
            (self.folder / name).write_text(str(value))

    def pids(self) -> list[int]:
        """The processes in the group."""
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """Kill what is left in the group and remove it."""
        deadline = monotonic() + _GONE_WITHIN_S
        while (pids := self.pids()) and monotonic() < deadline:
            for pid in pids:
                _kill(pid)
            sleep(0.01)
        self.folder.rmdir()


@contextmanager
def cpu_quota(cpus: float, period_us: int = PERIOD_US) -> Iterator[Group]:
    """A new group with that quota, removed in the end with all that runs in it."""
    with _group("cpu") as group:
        group.limit(cpus, period_us)
        yield group


@contextmanager
def memory_limit(most_bytes: int) -> Iterator[Group]:
    """A new group with so much memory, removed in the end with all that runs in it."""
    with _group("memory") as group:
        group.limit_memory(most_bytes)
        yield group


@contextmanager
def _group(controller: str) -> Iterator[Group]:
    group = Group(Path(tempfile.mkdtemp(prefix="autotp-test-", dir=_top(controller))))
    try:
        yield group
    finally:
        group.remove()


@cache
def available() -> str | None:
    """Why no such group can be made here; None where one can."""
    if os.geteuid() != 0:
        return "only root may make a control group with a CPU quota"
    try:
        with cpu_quota(1.0):
            return None
    except OSError as error:
        return f"no control group with a CPU quota can be made here: {error}"


@cache
def memory_limit_available() -> str | None:
    """Why no group with little memory can be made here; None where one can."""
    if os.geteuid() != 0:
        return "only root may make a control group with a memory limit"
    try:
        with memory_limit(1 << 30):
            return None
    except OSError as error:
        return f"no control group with a memory limit can be made here: {error}"


def requires_cpu_quota() -> pytest.MarkDecorator:
    """A mark that skips a test, with the reason, where no such group can be made."""
    reason = available()
    return pytest.mark.skipif(reason is not None, reason=reason or "")


def _top(controller: str) -> Path:
    """The top of the hierarchy that has `controller`, made to hand it on to groups below where it is v2."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split(" ")
        top = Path(point)
        if kind == "cgroup" and controller in options.split(","):
            return top
        if kind == "cgroup2" and controller in (top / "cgroup.controllers").read_text().split():
            if controller not in (top / "cgroup.subtree_control").read_text().split():
                (top / "cgroup.subtree_control").write_text(f"+{controller}")
            return top
    raise FileNotFoundError(f"no hierarchy with the {controller} controller is mounted")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself
