"""The quota and the memory limit that hold, wherever they are set, and who sets them."""

from pathlib import Path

import pytest

from autotp.errors import TopologyError
from autotp.topology.envelope.cpuset import CpusReason
from autotp.topology.envelope.envelope import Envelope, Reasons, read_envelope
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write

ONLINE = tuple(range(8))
TOP = "sys/fs/cgroup"
MEMBER = {"proc/self/cgroup": "0::/outer/inner\n"}


def _envelope(root: Path, files: dict[str, str]) -> Envelope:
    return read_envelope(Tree(write(root, MEMBER | files)), ONLINE)


def test_without_limits_everything_is_allowed(tmp_path: Path) -> None:
    """All online CPUs, no quota and no memory limit."""
    every = Reasons(cpus=CpusReason.EVERY)
    whole = Envelope(cpus=ONLINE, cpu_quota=None, memory_limit_bytes=None, reasons=every)
    assert _envelope(tmp_path, {}) == whole


def test_the_tightest_ancestor_counts(tmp_path: Path) -> None:
    """A group is bound by the limits of all groups around it."""
    files = {
        f"{TOP}/outer/inner/cpu.max": "400000 100000\n",
        f"{TOP}/outer/cpu.max": "75000 50000\n",
        f"{TOP}/cpu.max": "max 100000\n",
        f"{TOP}/outer/inner/memory.max": "4294967296\n",
        f"{TOP}/outer/memory.max": "max\n",
        f"{TOP}/memory.max": "8589934592\n",
    }
    envelope = _envelope(tmp_path, files)
    assert (envelope.cpu_quota, envelope.memory_limit_bytes) == (1.5, 2**32)
    assert envelope.cpu_quota_period_s == 0.05


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        ("150000", "100000", (1.5, 0.1)),
        ("1500000", "1000000", (1.5, 1.0)),
        ("5000", "10000", (0.5, 0.01)),
        ("-1", "100000", (None, None)),
        ("50000", "", (0.5, 0.1)),
    ],
)
def test_quotas_of_v1(
    tmp_path: Path, quota: str, period: str, expected: tuple[float | None, float | None]
) -> None:
    """Version 1 has quota and period in files of their own, and -1 for no quota."""
    files = {"proc/self/cgroup": "2:cpu,cpuacct:/box\n", f"{TOP}/cpu,cpuacct/box/cpu.cfs_quota_us": quota}
    files[f"{TOP}/cpu,cpuacct/box/cpu.cfs_period_us"] = period
    envelope = _envelope(tmp_path, files)
    assert (envelope.cpu_quota, envelope.cpu_quota_period_s) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000000 1000000", (1.0, 1.0)),
        ("10000 10000", (1.0, 0.01)),
        ("50000", (0.5, 0.1)),
        ("max 1000000", (None, None)),
    ],
)
def test_quotas_of_v2(tmp_path: Path, text: str, expected: tuple[float | None, float | None]) -> None:
    """Version 2 has both in one file; without a period it is the kernel's default."""
    envelope = _envelope(tmp_path, {f"{TOP}/outer/inner/cpu.max": text})
    assert (envelope.cpu_quota, envelope.cpu_quota_period_s) == expected


@pytest.mark.parametrize(("text", "limit"), [("9223372036854771712", None), ("1073741824", 2**30)])
def test_memory_limits_of_v1(tmp_path: Path, text: str, limit: int | None) -> None:
    """Version 1 writes no limit as the highest number of bytes in whole pages."""
    files = {"proc/self/cgroup": "2:memory:/box\n", f"{TOP}/memory/box/memory.limit_in_bytes": text}
    assert _envelope(tmp_path, files).memory_limit_bytes == limit


def test_the_group_that_sets_a_limit_is_named(tmp_path: Path) -> None:
    """The folder of the tightest group is the reason, for quota and memory apart; the nearest of equals."""
    files = {
        f"{TOP}/outer/inner/cpu.max": "400000 100000\n",
        f"{TOP}/outer/cpu.max": "150000 100000\n",
        f"{TOP}/cpu.max": "150000 100000\n",
        f"{TOP}/outer/inner/memory.max": "4294967296\n",
    }
    reasons = _envelope(tmp_path, files).reasons
    assert reasons.cpu_quota_folder == f"/{TOP}/outer"
    assert reasons.memory_limit_folder == f"/{TOP}/outer/inner"


def test_a_tighter_ancestor_in_a_second_mount_counts(tmp_path: Path) -> None:
    """A container that shows its own group in one place and the host's groups in another is bound by both."""
    line = "1 0 0:1 {} {} rw - cgroup2 none rw\n"
    files = {
        "proc/self/cgroup": "0::/pod/c",
        "proc/self/mountinfo": line.format("/pod/c", f"/{TOP}") + line.format("/", "/host/cgroup"),
        f"{TOP}/cpu.max": "400000 100000",
        "host/cgroup/pod/cpu.max": "150000 100000",
    }
    envelope = _envelope(tmp_path, files)
    assert (envelope.cpu_quota, envelope.reasons.cpu_quota_folder) == (1.5, "/host/cgroup/pod")


@pytest.mark.parametrize(("hierarchy", "limit"), [("0", None), ("1", 2**30)])
def test_a_memory_group_may_stand_for_itself(tmp_path: Path, hierarchy: str, limit: int | None) -> None:
    """In version 1 a parent without use_hierarchy doesn't bind its children."""
    files = {
        "proc/self/cgroup": "2:memory:/box/inner\n",
        f"{TOP}/memory/box/memory.limit_in_bytes": f"{2**30}",
        f"{TOP}/memory/box/memory.use_hierarchy": hierarchy,
    }
    assert _envelope(tmp_path, files).memory_limit_bytes == limit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cpu.max", "many"),
        ("cpu.max", "100000 0"),
        ("cpu.max", "-5 100000"),
        ("memory.max", "1 GB"),
        ("cpuset.cpus.effective", "0-"),
    ],
)
def test_damaged_limits_name_their_file(tmp_path: Path, name: str, text: str) -> None:
    """A limit that can't be understood is an error, not the absence of a limit."""
    with pytest.raises(TopologyError, match=f"outer/inner/{name}: "):
        _envelope(tmp_path, {f"{TOP}/outer/inner/{name}": text})
