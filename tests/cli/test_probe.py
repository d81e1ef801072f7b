"""`autotp probe`."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from autotp.topology.hardware.cpuinfo import X86_ISA
from tests.support.cgroup import Group, cpu_quota, requires_cpu_quota
from tests.support.command_line import autotp
from tests.support.recorded_files import write
from tests.support.trees import Described, build

KEYS = {
    "sockets",
    "numa_nodes",
    "cores",
    "logical_cpus",
    "smt",
    "performance_cores",
    "efficient_cores",
    "nodes",
    "cpu",
    "caches",
    "envelope",
    "fingerprint",
}


def test_json_has_the_agreed_keys(tmp_path: Path) -> None:
    """One object with every key of the machine and the envelope of a recorded root."""
    root = build(Described(sockets=2, cores_per_node=2, smt=2), tmp_path)
    code, out, err = autotp("probe", "--json", "--sysroot", str(root))
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert set(found) >= KEYS
    assert [found[key] for key in ("sockets", "numa_nodes", "cores", "logical_cpus", "smt")] == [2, 2, 4, 8, 2]
    node = {"id": 1, "sockets": [1], "cpus": [2, 3, 6, 7], "memory_bytes": 64 * 2**30, "distances": [21, 10]}
    assert found["nodes"][1] == node
    reasons = found["envelope"].pop("reasons")
    limits = dict.fromkeys(("cpu_quota", "cpu_quota_period_s", "memory_limit_bytes"))
    assert found["envelope"] == {"cpus": list(range(8)), **limits}
    assert reasons["cpus"] == "every"
    assert set(found["fingerprint"]) == {"id", "hard", "soft"}
    assert set(found["cpu"]) == {"brand", "isa"}
    assert found["fingerprint"]["soft"]["openvino"] is None


def test_text_is_a_tree(tmp_path: Path) -> None:
    """Without --json the same is drawn."""
    code, out, _ = autotp("probe", "--sysroot", str(build(Described(sockets=2), tmp_path)))
    assert code == 0
    node = "NUMA node 1: CPUs 1, memory 64 GiB, distances 21 10"
    assert [word for word in ("socket 1", node, "all that are online", "fingerprint: ") if word not in out] == []


def test_no_line_is_cut_off(tmp_path: Path) -> None:
    """However many instruction sets a processor has, all are printed, on one line so that grep finds them."""
    root = write(build(Described(), tmp_path / "root"), {"proc/cpuinfo": f"flags : {' '.join(sorted(X86_ISA))}\n"})
    done = autotp("probe", "--sysroot", str(root))
    (line,) = (line for line in done[1].splitlines() if "ISA: " in line)
    assert line.split("ISA: ")[1].split() == sorted(X86_ISA)


def test_the_group_that_limits_is_named(tmp_path: Path) -> None:
    """The text names the group that sets a limit; the JSON, which is shared, doesn't show its name."""
    limits = {
        "proc/self/cgroup": "0::/alice/job",
        "sys/fs/cgroup/alice/cpu.max": "150000 100000",
        "sys/fs/cgroup/alice/job/memory.max": "1073741824",
        "sys/fs/cgroup/alice/cpuset.cpus.effective": "0",
    }
    root = str(write(build(Described(sockets=2), tmp_path), limits))
    _, out, _ = autotp("probe", "--sysroot", root)
    for line in (
        "these CPUs: the cpuset of /sys/fs/cgroup/alice",
        "quota of 1.5 CPU(s), set by /sys/fs/cgroup/alice, in periods of 0.1 s",
        "memory limit 1 GiB, set by /sys/fs/cgroup/alice/job",
    ):
        assert line in out
    assert "alice" not in autotp("probe", "--json", "--sysroot", root)[1]


def _namespaces_work() -> bool:
    return subprocess.run(["unshare", "-C", "true"], check=False, capture_output=True).returncode == 0


@requires_cpu_quota()
@pytest.mark.skipif(
    shutil.which("unshare") is None or not _namespaces_work(), reason="unshare -C doesn't work here"
)
def test_a_quota_is_seen_from_a_namespace_with_the_hosts_mounts(tmp_path: Path) -> None:
    """Whoever is the top of its own namespace finds its group in mounts from outside, and records it."""
    probed = (sys.executable, "-m", "autotp", "probe", "--json", "--record", str(tmp_path / "recording"))
    with cpu_quota(1.0) as group:
        leaf = Group(group.folder / "leaf")
        leaf.folder.mkdir()
        try:
            command = leaf.command(("unshare", "-C", *probed))
            live = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        finally:
            leaf.remove()
    envelope = json.loads(live)["envelope"]
    assert envelope["cpu_quota"] == 1.0
    assert envelope["reasons"]["cpu_quota_folder"].startswith("/sys/fs/cgroup/")
    assert autotp("probe", "--json", "--sysroot", str(tmp_path / "recording")) == (0, live, "")


@pytest.mark.skipif(shutil.which("taskset") is None or len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
def test_a_mask_of_the_process_is_told_or_unknown() -> None:
    """Under taskset the reason is the mask, where a cpuset that would allow more can be seen; never a cpuset."""
    cpu = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", cpu, sys.executable, "-m", "autotp", "probe", "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)["envelope"]
    assert found["cpus"] == [int(cpu)]
    assert found["reasons"]["cpus"] in ("affinity", "unknown")


def test_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    """Bytes in a processor's name that are no UTF-8, or drive a terminal, are printed as question marks."""
    root = write(tmp_path, {"sys/devices/system/cpu/online": "0"})
    (root / "proc/cpuinfo").write_bytes(b"processor : 0\nmodel name : Xe\xffon \x1b[31m\n")
    code, out, err = autotp("probe", "--json", "--sysroot", str(root))
    assert (code, err, json.loads(out)["cpu"]["brand"]) == (0, "", "Xe?on ?[31m")


def test_a_recording_gives_the_same_answer(tmp_path: Path) -> None:
    """What --record writes of this machine, processor's brand and OpenVINO's version included, probes the same."""
    folder = tmp_path / "new" / "recording"
    code, live, err = autotp("probe", "--json", "--record", str(folder))
    assert (code, str(folder) in err) == (0, True)
    assert autotp("probe", "--json", "--sysroot", str(folder)) == (0, live, "")
    assert json.loads(live)["fingerprint"]["soft"]["openvino"] == version("openvino")
    again = tmp_path / "again"
    assert autotp("probe", "--json", "--sysroot", str(folder), "--record", str(again))[:2] == (0, live)
    assert autotp("probe", "--json", "--sysroot", str(again)) == (0, live, "")


def test_a_recording_replaces_nothing(tmp_path: Path) -> None:
    """A place that holds something is refused by name, and an unreadable root leaves nothing behind."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    for place in ("full", "full/file"):
        code, out, err = autotp("probe", "--record", str(tmp_path / place))
        assert (code, out, str(tmp_path / place) in err, err.count("\n")) == (2, "", True, 1)
    code, _, err = autotp("probe", "--sysroot", str(tmp_path / "gone"), "--record", str(tmp_path / "new"))
    assert (code, "gone" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_root_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    """A folder that is missing or holds no machine: one sentence that names it, exit code 2."""
    for root in (tmp_path / "gone", tmp_path):
        code, out, err = autotp("probe", "--json", "--sysroot", str(root))
        assert (code, out) == (2, "")
        assert err.startswith(f"autotp: {root}")
        assert err.count("\n") == 1
