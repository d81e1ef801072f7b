"""What a process may use: the CPUs, the quota and the memory limit that hold, wherever they are set."""

import os
from pathlib import Path

import pytest

from autotp.errors import TopologyError
from autotp.topology import Envelope
from autotp.topology.envelope import read_envelope
from autotp.topology.tree import Tree
from tests.test_topology_tree import write

ONLINE = tuple(range(8))
TOP = "sys/fs/cgroup"
MEMBER = {"proc/self/cgroup": "0::/outer/inner\n"}
STATUS = "proc/self/status"


def _envelope(root: Path, files: dict[str, str]) -> Envelope:
    return read_envelope(Tree(write(root, MEMBER | files)), ONLINE)


def test_without_limits_everything_is_allowed(tmp_path: Path) -> None:
    """All online CPUs, no quota and no memory limit."""
    assert _envelope(tmp_path, {}) == Envelope(cpus=ONLINE, cpu_quota=None, memory_limit_bytes=None)


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


@pytest.mark.parametrize(
    ("quota", "period", "cpus"), [("150000", "100000", 1.5), ("-1", "100000", None), ("50000", "", 0.5)]
)
def test_quotas_of_v1(tmp_path: Path, quota: str, period: str, cpus: float | None) -> None:
    """Version 1 has quota and period in files of their own, and -1 for no quota."""
    files = {"proc/self/cgroup": "2:cpu,cpuacct:/box\n", f"{TOP}/cpu,cpuacct/box/cpu.cfs_quota_us": quota}
    files[f"{TOP}/cpu,cpuacct/box/cpu.cfs_period_us"] = period
    assert _envelope(tmp_path, files).cpu_quota == cpus


@pytest.mark.parametrize(("text", "limit"), [("9223372036854771712", None), ("1073741824", 2**30)])
def test_memory_limits_of_v1(tmp_path: Path, text: str, limit: int | None) -> None:
    """Version 1 writes no limit as the highest number of bytes in whole pages."""
    files = {"proc/self/cgroup": "2:memory:/box\n", f"{TOP}/memory/box/memory.limit_in_bytes": text}
    assert _envelope(tmp_path, files).memory_limit_bytes == limit


def test_a_recorded_cpuset_and_affinity_both_hold(tmp_path: Path) -> None:
    """CPUs must be in the effective cpuset, in the affinity and online."""
    files = {
        f"{TOP}/outer/inner/cpuset.cpus.effective": "0-3,9\n",
        STATUS: "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t2-7\n",
    }
    assert _envelope(tmp_path, files).cpus == (2, 3)


def test_a_group_without_a_cpuset_inherits_it(tmp_path: Path) -> None:
    """Where a group has no cpuset, or an empty one, that of the nearest ancestor counts."""
    files = {f"{TOP}/outer/inner/cpuset.cpus": "\n", f"{TOP}/outer/cpuset.cpus.effective": "4-5\n"}
    assert _envelope(tmp_path, files).cpus == (4, 5)


def test_a_recording_that_allows_no_cpu_is_refused(tmp_path: Path) -> None:
    """A process can't have run without CPUs: cpuset and affinity that exclude each other are damage."""
    with pytest.raises(TopologyError, match=r"self/status: .*0-7"):
        _envelope(tmp_path, {STATUS: "Cpus_allowed_list:\t64\n"})


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


def test_a_damaged_affinity_names_its_file(tmp_path: Path) -> None:
    """The list in /proc/self/status is checked like any other."""
    with pytest.raises(TopologyError, match=f"{STATUS}: "):
        _envelope(tmp_path, {STATUS: "Cpus_allowed_list:\t0-4000000000\n"})


def test_the_live_affinity_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the live machine the CPUs are those of sched_getaffinity, whatever other files say."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {70, 3})
    assert read_envelope(Tree(None), ONLINE).cpus == (3, 70)
