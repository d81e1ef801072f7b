"""Which folders hold the limits of our control groups, in the layouts that systemd and containers make."""

from pathlib import Path

import pytest

from autotp.topology.cgroup import group_chains
from autotp.topology.tree import Tree
from tests.test_topology_tree import write

V2 = "35 24 0:29 {root} {point} ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "36 24 0:30 {root} {point} ro - cgroup cgroup rw,{controllers}\n"


def _chains(root: Path, controller: str = "cpu", **files: str) -> tuple[tuple[str, ...], ...]:
    return group_chains(Tree(write(root, {f"proc/self/{name}": text for name, text in files.items()})), controller)


def test_a_v2_group_and_its_ancestors(tmp_path: Path) -> None:
    """The chain leads from the group to the top of the hierarchy."""
    mountinfo = V2.format(root="/", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/user.slice/a.scope\n", mountinfo=mountinfo) == (
        ("sys/fs/cgroup/user.slice/a.scope", "sys/fs/cgroup/user.slice", "sys/fs/cgroup"),
    )


def test_a_cgroup_namespace_hides_the_ancestors(tmp_path: Path) -> None:
    """In a namespace of its own a container sees itself as the top."""
    mountinfo = V2.format(root="/", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/\n", mountinfo=mountinfo) == (("sys/fs/cgroup",),)


@pytest.mark.parametrize("group", ["/docker/abc", "/docker/abc/"])
def test_a_hierarchy_mounted_at_the_leaf(tmp_path: Path, group: str) -> None:
    """Without a namespace the path is the host's, but the mount shows just the container's group."""
    mountinfo = V1.format(root="/docker/abc", point="/sys/fs/cgroup/cpu,cpuacct", controllers="cpu,cpuacct")
    chains = _chains(tmp_path, cgroup=f"4:cpu,cpuacct:{group}\n", mountinfo=mountinfo)
    assert chains == (("sys/fs/cgroup/cpu,cpuacct",),)


def test_a_mount_from_above_the_namespace_shows_ancestors(tmp_path: Path) -> None:
    """A mount whose root lies outside of the namespace still shows limits that hold for us."""
    mountinfo = V2.format(root="/../..", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/\n", mountinfo=mountinfo) == (("sys/fs/cgroup",),)


def test_a_group_outside_of_the_namespace_is_unknown(tmp_path: Path) -> None:
    """A path that leads upwards names a group that no mount of ours shows."""
    mountinfo = V2.format(root="/", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/../other\n", mountinfo=mountinfo) == ()


def test_v1_and_v2_side_by_side(tmp_path: Path) -> None:
    """In a mixture each hierarchy has its own group, and other controllers' groups don't matter."""
    mountinfo = (
        V1.format(root="/", point="/sys/fs/cgroup/memory", controllers="memory")
        + V1.format(root="/", point="/sys/fs/cgroup/cpu", controllers="cpu,cpuacct")
        + V2.format(root="/", point="/sys/fs/cgroup/unified")
    )
    cgroup = "4:memory:/m\n2:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n"
    assert _chains(tmp_path, cgroup=cgroup, mountinfo=mountinfo) == (
        ("sys/fs/cgroup/cpu/c", "sys/fs/cgroup/cpu"),
        ("sys/fs/cgroup/unified/u", "sys/fs/cgroup/unified"),
    )


def test_the_mount_that_shows_our_group_is_taken(tmp_path: Path) -> None:
    """Of several mounts of a hierarchy, those of other groups are passed over."""
    mountinfo = V2.format(root="/other", point="/mnt/other") + V2.format(root="/", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/a\n", mountinfo=mountinfo) == (("sys/fs/cgroup/a", "sys/fs/cgroup"),)


def test_blanks_in_mount_points_are_unescaped(tmp_path: Path) -> None:
    """mountinfo writes a blank as an octal number."""
    mountinfo = V2.format(root="/", point=r"/my\040groups")
    assert _chains(tmp_path, cgroup="0::/\n", mountinfo=mountinfo) == (("my groups",),)


def test_a_plain_table_of_mounts_will_do(tmp_path: Path) -> None:
    """A recording may hold /proc/mounts, and the group in /proc/self/cpuset alone."""
    mounts = "none /cgroup/unified cgroup2 rw 0 0\nnone /dev/cpuset cpuset rw 0 0\nshort line\n"
    assert _chains(tmp_path, "cpuset", cpuset="/job/step\n", mounts=mounts) == (
        ("dev/cpuset/job/step", "dev/cpuset/job", "dev/cpuset"),
        ("cgroup/unified/job/step", "cgroup/unified/job", "cgroup/unified"),
    )


def test_the_usual_places_without_any_table(tmp_path: Path) -> None:
    """Without a table of mounts, v2 is at /sys/fs/cgroup, and v1 in folders named by controllers."""
    assert _chains(tmp_path, cgroup="0::/a\n") == (("sys/fs/cgroup/a", "sys/fs/cgroup"),)
    write(tmp_path, {"sys/fs/cgroup/cpu,cpuacct/x": ""})
    assert _chains(tmp_path, cgroup="2:cpu,cpuacct:/a\n") == (
        ("sys/fs/cgroup/cpu,cpuacct/a", "sys/fs/cgroup/cpu,cpuacct"),
    )


def test_mount_points_stay_below_the_root(tmp_path: Path) -> None:
    """A mount point that climbs out of the recording is cut at its root."""
    mountinfo = V2.format(root="/", point="/../../etc")
    assert _chains(tmp_path, cgroup="0::/\n", mountinfo=mountinfo) == (("etc",),)
