"""Which CPUs a process may run on, and why: live from its affinity alone, recorded from cpusets and mask."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from autotp.errors import TopologyError
from autotp.topology.envelope.cpuset import Allowed, CpusReason, read_allowed
from autotp.topology.tree.tree import Tree
from tests.support import rig
from tests.support.described import Described
from tests.support.recorded_files import write
from tests.support.rig import requires_rig

ONLINE = tuple(range(8))
TOP = "sys/fs/cgroup"
MEMBER = {"proc/self/cgroup": "0::/outer/inner\n"}
STATUS = "proc/self/status"
STAT = "".join(f"cpu{cpu} 1 2 3 4 5 6 7 8\n" for cpu in ONLINE)


def _recorded(root: Path, files: Mapping[str, str]) -> Allowed:
    return read_allowed(Tree(write(root, {**MEMBER, **files})), ONLINE)


def _live(root: Path, files: Mapping[str, str], cpus: set[int], monkeypatch: pytest.MonkeyPatch) -> Allowed:
    """The live rules on files of our own, in a process of this affinity."""
    tree = Tree(write(root, {**MEMBER, **files}))
    tree.recorded = False
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus)
    return read_allowed(tree, ONLINE)


def test_a_recorded_cpuset_and_affinity_both_hold(tmp_path: Path) -> None:
    """CPUs must be in the effective cpuset, in the affinity and online."""
    files = {
        f"{TOP}/outer/inner/cpuset.cpus.effective": "0-3,9\n",
        STATUS: "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t2-7\n",
    }
    assert _recorded(tmp_path, files) == Allowed(cpus=(2, 3), reason=CpusReason.AFFINITY)


def test_a_group_without_a_cpuset_inherits_it(tmp_path: Path) -> None:
    """Where a group has no cpuset, or an empty one, that of the nearest ancestor counts and is the reason."""
    files = {f"{TOP}/outer/inner/cpuset.cpus": "\n", f"{TOP}/outer/cpuset.cpus.effective": "4-5\n"}
    found = Allowed(cpus=(4, 5), reason=CpusReason.CPUSET, cpuset_folder=f"{TOP}/outer")
    assert _recorded(tmp_path, files) == found


def test_the_group_that_took_the_others_away_is_the_reason(tmp_path: Path) -> None:
    """Of groups with the same effective cpuset the outermost is named."""
    names = ("", "/outer", "/outer/inner")
    files = {f"{TOP}{name}/cpuset.cpus.effective": "0-7\n" if not name else "2-3\n" for name in names}
    assert _recorded(tmp_path, files).cpuset_folder == f"{TOP}/outer"


def test_a_recording_that_allows_no_cpu_is_refused(tmp_path: Path) -> None:
    """A process can't have run without CPUs: cpuset and affinity that exclude each other are damage."""
    with pytest.raises(TopologyError, match=r"self/status: .*0-7"):
        _recorded(tmp_path, {STATUS: "Cpus_allowed_list:\t64\n"})


@pytest.mark.parametrize("name", [STATUS, f"{TOP}/outer/inner/cpuset.cpus.effective"])
def test_a_damaged_list_names_its_file(tmp_path: Path, name: str) -> None:
    """The lists of a recording are checked like any other."""
    text = "0-4000000000\n" if name != STATUS else "Cpus_allowed_list:\t0-4000000000\n"
    with pytest.raises(TopologyError, match=f"{name}: "):
        _recorded(tmp_path, {name: text})


def test_all_online_cpus_need_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may use every online CPU is bound by nothing, whatever the files say."""
    files = {f"{TOP}/cpuset.cpus.effective": "0-1"}
    found = _live(tmp_path, files, set(ONLINE), monkeypatch)
    assert found == Allowed(cpus=ONLINE, reason=CpusReason.EVERY)


def test_a_live_cpuset_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the affinity is all that the cpuset leaves, the cpuset's group is named."""
    files = {f"{TOP}/outer/cpuset.cpus.effective": "2-4", "proc/stat": STAT}
    found = _live(tmp_path, files, {2, 3, 4}, monkeypatch)
    assert found == Allowed(cpus=(2, 3, 4), reason=CpusReason.CPUSET, cpuset_folder=f"{TOP}/outer")


def test_a_live_mask_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cpuset would leave more, a mask of the process took the rest away."""
    files = {f"{TOP}/cpuset.cpus.effective": "0-7", "proc/stat": STAT}
    assert _live(tmp_path, files, {2, 3}, monkeypatch) == Allowed(cpus=(2, 3), reason=CpusReason.AFFINITY)


@pytest.mark.parametrize(
    ("cpus", "reason"),
    [({2, 3}, CpusReason.UNKNOWN), ({2, 3, 4}, CpusReason.CPUSET), (set(ONLINE), CpusReason.EVERY)],
)
def test_an_unknown_group_may_be_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpus: set[int], reason: CpusReason
) -> None:
    """Where the mount shows ancestors only, fewer CPUs than theirs are not laid to a mask of the process."""
    mountinfo = f"1 0 0:1 /../.. /{TOP} rw - cgroup2 none rw\n"
    files = {"proc/self/cgroup": "0::/", "proc/self/mountinfo": mountinfo, f"{TOP}/cpuset.cpus.effective": "2-4"}
    found = _live(tmp_path, files | {"proc/stat": STAT}, cpus, monkeypatch)
    assert (found.cpus, found.reason) == (tuple(sorted(cpus)), reason)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {f"{TOP}/cpuset.cpus.effective": "0-"},
        {f"{TOP}/cpuset.cpus.effective": "0-1"},
        {f"{TOP}/cpuset.cpus.effective": "2-3", "proc/stat": "cpu0 1\ncpu1 1\n"},
    ],
)
def test_the_live_affinity_decides_alone(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are absent, damaged, contradict the affinity, or list other CPUs leave the reason unknown."""
    assert _live(tmp_path, files, {2, 3}, monkeypatch) == Allowed(cpus=(2, 3), reason=CpusReason.UNKNOWN)


def test_an_affinity_beyond_the_online_cpus_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the live machine the CPUs are those of sched_getaffinity, whatever other files say."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {70, 3})
    assert read_allowed(Tree(None), ONLINE).cpus == (3, 70)


@requires_rig(shim=True)
def test_pretended_cpus_have_no_wrong_reason(tmp_path: Path) -> None:
    """Where /proc and the control groups list other CPUs than /sys, the reason for a mask stays unknown."""
    code = (
        "import os; from autotp.topology.probe import probe; print(probe().envelope.reasons.cpus);"
        "os.sched_setaffinity(0, {0, 1}); print(probe().envelope.reasons.cpus)"
    )
    pretended = Described(sockets=2, cores_per_node=64)
    done = rig.run(pretended, [sys.executable, "-c", code], shim=True, tmp=tmp_path, timeout_s=60)
    assert done.stdout.split() == ["every", "unknown"], done.stderr
