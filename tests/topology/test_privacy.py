"""What of a file, and of a path, may be shown to anybody."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.topology.envelope.cgroup import group_chains
from autotp.topology.privacy import public_groups, public_path, public_text
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import in_memory, write

NAMES = st.sampled_from(
    ["docker", "system.slice", "alice", "bob", "cpu", "node17", "a b", "group-1", "group-2", "..", "."]
)
PATHS = st.lists(NAMES, max_size=5).map(lambda names: "/" + "/".join(names))


def test_private_names_get_stand_ins() -> None:
    """Well-known names stay, others are replaced, each name by the same stand-in wherever it occurs."""
    stand_ins: dict[str, str] = {}
    assert public_path("/sys/fs/cgroup/cpu,cpuacct/docker/4f5e", stand_ins) == (
        "/sys/fs/cgroup/cpu,cpuacct/docker/group-1"
    )
    assert public_path("user.slice/user-1000.slice/4f5e", stand_ins) == "user.slice/group-2/group-1"


def test_numbered_names_are_public_among_the_kernels_folders_alone() -> None:
    """A host or a job may be called as a node or a CPU is."""
    for folder in ("sys/devices/system/node/node17", "sys/devices/system/cpu/cpu3/cache/index0"):
        assert public_path(folder, {}) == folder
    for path in (
        "/node17/cpu3",
        "/sys/fs/cgroup/node17/cpu3",
        "sys/fs/cgroup/node17/cpu3",
        "/sys/devices/system/cpu3",
    ):
        assert not {"node17", "cpu3"} & set(public_path(path, {}).split("/"))


@given(path=PATHS)
def test_a_path_made_public_twice_is_the_same(path: str) -> None:
    """A recording and a recording of it describe groups alike, and hold no private name."""
    once = public_path(path, {})
    assert public_path(once, {}) == once
    assert not {"alice", "bob", "a b", "node17"} & set(once.split("/"))


@given(group=PATHS, roots=st.lists(PATHS, min_size=1, max_size=3))
def test_stand_ins_keep_the_hierarchy(group: str, roots: list[str]) -> None:
    """The folders that hold our limits are found by the new names where they were by the old ones."""
    points = [f"/mnt/point{number}" for number in range(len(roots))]
    mounts = "".join(
        f"1 0 0:1 {_escaped(root)} {point} rw - cgroup none rw,cpu\n"
        for root, point in zip(roots, points, strict=True)
    )
    stand_ins: dict[str, str] = {}
    with in_memory() as scratch:
        files = {"proc/self/cgroup": f"1:cpu:{group}", "proc/self/mountinfo": mounts}
        tree = Tree(write(Path(scratch) / "old", files))
        public = Tree(write(Path(scratch) / "new", public_groups(tree, stand_ins)))
        old = [
            ([public_path(folder, stand_ins) for folder in chain.folders], chain.has_our_group)
            for chain in group_chains(tree, "cpu")
        ]
        assert [(list(chain.folders), chain.has_our_group) for chain in group_chains(public, "cpu")] == old


def _escaped(path: str) -> str:
    return path.replace(" ", r"\040")


@pytest.mark.parametrize(
    ("path", "text", "kept"),
    [
        (
            "proc/cpuinfo",
            "processor : 0\nSerial : 12\nmodel name : X\nRevision : d03114",
            "processor : 0\nmodel name : X",
        ),
        ("proc/version", "Linux version 6.1 (alice@host) #1", "Linux version 6.1"),
        ("proc/version", "FreeBSD alice", ""),
        ("proc/meminfo", "MemTotal:  1 kB\nOwner: alice", "MemTotal:  1 kB"),
        ("proc/stat", "cpu  1 2\ncpu0 1 2\nbtime 5\ncpu1 alice", "cpu0 1 2"),
        ("proc/loadavg", "0.08 0.35 1.05 2/86 20338", "0.08 0.35 1.05 2/86"),
        ("proc/mounts", "//nas/alice /home nfs rw", ""),
        ("sys/x/cpu.max", "max 100000", "max 100000"),
        ("sys/x/cpuset.cpus.effective", "0-3,8", "0-3,8"),
        ("sys/x/cache/index0/size", "2048K", "2048K"),
        ("sys/x/cache/index0/type", "deadbeef", "Unknown"),
        ("sys/x/topology/core_cpus", "0000000f,ffffffff", "0000000f,ffffffff"),
        ("sys/x/topology/core_id", "deadbeef", ""),
        ("sys/x/cpufreq/scaling_governor", "alice", "another"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never", "[always] madvise never"),
    ],
)
def test_only_what_is_read_is_kept(path: str, text: str, kept: str) -> None:
    """Of each file the lines and words that the probe knows stay, and nothing else."""
    assert public_text(path, text) == kept
