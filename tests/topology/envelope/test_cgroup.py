"""Which folders hold the limits of our control groups, in the layouts that systemd and containers make."""

import os
from pathlib import Path

import pytest

from autotp.topology.envelope.cgroup import Chain, group_chains
from autotp.topology.privacy import public_groups
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write

V2 = "35 24 0:29 {root} {point} ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "36 24 0:30 {root} {point} ro - cgroup cgroup rw,{controllers}\n"


def _chains(root: Path, controller: str = "cpu", **files: str) -> tuple[tuple[str, ...], ...]:
    tree = Tree(write(root, {f"proc/self/{name}": text for name, text in files.items()}))
    return tuple(chain.folders for chain in group_chains(tree, controller))


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


@pytest.mark.parametrize(("root", "group"), [("/../..", "/"), ("/..", "/"), ("/../..", "/../sibling")])
def test_a_mount_from_above_the_namespace_shows_ancestors(tmp_path: Path, root: str, group: str) -> None:
    """Of a mount whose root lies outside of the namespace only the top is known to hold for us: not our group."""
    mountinfo = V2.format(root=root, point="/sys/fs/cgroup")
    files = {"proc/self/cgroup": f"0::{group}\n", "proc/self/mountinfo": mountinfo}
    found = group_chains(Tree(write(tmp_path, files)), "cpu")
    assert found == (Chain(folders=("sys/fs/cgroup",), has_our_group=False),)


@pytest.mark.parametrize(
    ("root", "group", "place"),
    [
        ("/../..", "/", "pod/box"),
        ("/../..", "/inner", "pod/box/inner"),
        ("/..", "/", "box"),
        ("/../..", "/../sibling", "pod/sibling"),
    ],
)
def test_our_pid_tells_which_group_is_ours(tmp_path: Path, root: str, group: str, place: str) -> None:
    """On the live machine the names that `..` hides are those of the folders that lead to our process."""
    top = "sys/fs/cgroup"
    others = {f"{top}/{name}/cgroup.procs": "1\n2\n" for name in ("a/b", "pod", "pod/a", "pod/box/x", "z/sibling")}
    tree = _live(tmp_path, root, group, others | {f"{top}/{place}/cgroup.procs": f"1\n{os.getpid()}\n"})
    (found,) = group_chains(tree, "cpu")
    assert found.has_our_group
    assert found.folders[0] == f"{top}/{place}"
    assert found.folders[-1] == top
    recorded = Tree(write(tmp_path / "recording", public_groups(tree, {"pod": "pod", "box": "box"})))
    assert [len(chain.folders) for chain in group_chains(recorded, "cpu")] == [len(found.folders)]
    assert all(chain.has_our_group for chain in group_chains(recorded, "cpu"))


def test_where_no_group_holds_our_pid_ours_is_unknown(tmp_path: Path) -> None:
    """Only the top is then known to hold for us."""
    tree = _live(tmp_path, "/../..", "/", {"sys/fs/cgroup/a/b/cgroup.procs": "1\n"})
    assert group_chains(tree, "cpu") == (Chain(folders=("sys/fs/cgroup",), has_our_group=False),)


def _live(folder: Path, root: str, group: str, files: dict[str, str]) -> Tree:
    mountinfo = V2.format(root=root, point="/sys/fs/cgroup")
    tree = Tree(write(folder, files | {"proc/self/cgroup": f"0::{group}\n", "proc/self/mountinfo": mountinfo}))
    tree.recorded = False
    return tree


def test_a_group_shown_from_one_level_up(tmp_path: Path) -> None:
    """A group beside the namespace's root is below a mount of their parent, by its own name."""
    mountinfo = V2.format(root="/..", point="/sys/fs/cgroup")
    assert _chains(tmp_path, cgroup="0::/../sibling\n", mountinfo=mountinfo) == (
        ("sys/fs/cgroup/sibling", "sys/fs/cgroup"),
    )


def test_every_mount_that_shows_our_group_counts(tmp_path: Path) -> None:
    """A second mount may show ancestors, and with them limits, that the first doesn't."""
    mountinfo = V2.format(root="/pod/c", point="/sys/fs/cgroup") + V2.format(root="/", point="/host/cgroup")
    assert _chains(tmp_path, cgroup="0::/pod/c\n", mountinfo=mountinfo) == (
        ("sys/fs/cgroup",),
        ("host/cgroup/pod/c", "host/cgroup/pod", "host/cgroup"),
    )


@pytest.mark.parametrize("kind", ["cgroup2", "tmpfs"])
def test_a_mount_below_another_is_not_seen(tmp_path: Path, kind: str) -> None:
    """What is mounted over a hierarchy, at the very same place, hides it."""
    mountinfo = V2.format(root="/", point="/sys/fs/cgroup") + V2.format(root="/a", point="/mnt")
    over = V2.format(root="/a/b", point="/sys/fs/cgroup").replace("cgroup2", kind)
    expected = (("sys/fs/cgroup",), ("mnt/b", "mnt")) if kind == "cgroup2" else (("mnt/b", "mnt"),)
    assert _chains(tmp_path, cgroup="0::/a/b\n", mountinfo=mountinfo + over) == expected


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
