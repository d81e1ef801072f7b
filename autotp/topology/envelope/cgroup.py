"""Finds the folders of this process's control groups and of their ancestors, in cgroup v1, v2 and both mixed.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ in the kernel's tree; man pages cgroups(7),
cgroup_namespaces(7), proc_pid_mountinfo(5). /proc/self/cgroup names the group in each hierarchy, relative to
the root of the cgroup namespace. A mount shows the hierarchy from its own root downwards, in a container often
just the leaf. The limits of all ancestors hold as well, so each mount that shows our group gives a chain of
folders from our group up to the top of the mount.

The root of a mount made outside of the namespace begins with a `..` for each ancestor that it shows. No file gives
the names of these; on the live machine we search for the group whose list of processes holds our pid.
"""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from autotp.topology.tree.tree import Tree

UNIFIED = "unified"
CONTROLLERS = ("cpu", "cpuset", "memory", UNIFIED)
MEMBERS = "cgroup.procs"
_DEFAULT_MOUNT = "/sys/fs/cgroup"
_USUAL_NAME = re.compile(r"(?:[a-z_]+,)*(?:cpu|cpuset|memory|unified)(?:,[a-z_]+)*")
_OCTAL = re.compile(r"\\([0-7]{3})")

# Reading one takes some 30 us, and a busy host has some thousand groups.
_MOST_GROUPS = 4096

# The path of a group: names from the top of its hierarchy down; None for each name that is unknown.
Names = tuple[str | None, ...]


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mounted hierarchy: the group that is visible at `point` (`root`), and the hierarchy's controllers."""

    root: str
    point: str
    controllers: frozenset[str]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of our group and its ancestors, leaf first; of ancestors alone if `has_our_group` is false."""

    folders: tuple[str, ...]
    has_our_group: bool


def group_chains(tree: Tree, controller: str) -> tuple[Chain, ...]:
    """Return, for each mount that shows them, the chain of groups whose limits by `controller` apply."""
    groups, mounts = read_places(tree, (controller, UNIFIED))
    return tuple(
        chain
        for name in (controller, UNIFIED)
        for chain in _chains(groups.get(name, ""), [mount for mount in mounts if name in mount.controllers])
    )


def read_places(tree: Tree, controllers: Sequence[str]) -> tuple[dict[str, str], tuple[Mount, ...]]:
    """Return our groups by controller, and all mounts; names replace `..` in paths where our pid was found."""
    groups, mounts = read_groups(tree), read_mounts(tree)
    if tree.recorded:
        return groups, mounts
    homes = {
        name: home
        for name in controllers
        if (home := _home(tree, groups.get(name, ""), [mount for mount in mounts if name in mount.controllers]))
    }
    named = {name: _path(_place(groups.get(name, ""), home)) for name, home in homes.items()}
    return groups | named, tuple(_named(mount, homes) for mount in mounts)


def _named(mount: Mount, homes: dict[str, Names]) -> Mount:
    home = next((home for name, home in homes.items() if name in mount.controllers), None)
    return mount if home is None else msgspec.structs.replace(mount, root=_path(_place(mount.root, home)))


def read_groups(tree: Tree) -> dict[str, str]:
    """Return the path of our group by controller; that of v2 has the key `unified`."""
    groups: dict[str, str] = {}
    for line in (tree.text("proc/self/cgroup") or "").splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            groups.update(dict.fromkeys((controllers or UNIFIED).split(","), path))
    cpuset = tree.text("proc/self/cpuset")
    if cpuset and not groups:
        groups = {"cpuset": cpuset, UNIFIED: cpuset}
    return groups


def read_mounts(tree: Tree) -> tuple[Mount, ...]:
    """Return the mounted hierarchies that no later mount hides; the usual ones if no table of mounts lists any."""
    detailed = tree.text("proc/self/mountinfo")
    if detailed:
        found = map(_fields_of_mountinfo, detailed.splitlines())
    else:
        plain = tree.text("proc/self/mounts") or tree.text("proc/mounts") or ""
        found = map(_fields_of_mounts, plain.splitlines())
    by_point = {_unescaped(fields[2]): _mount(*fields) for fields in found if fields}
    return tuple(mount for mount in by_point.values() if mount) or _usual_mounts(tree)


def _fields_of_mountinfo(line: str) -> tuple[str, str, str, str] | None:
    before, _, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if len(left) < 5 or len(right) < 3:
        return None
    return right[0], left[3], left[4], right[2]


def _fields_of_mounts(line: str) -> tuple[str, str, str, str] | None:
    fields = line.split(" ")
    return (fields[2], "/", fields[1], fields[3]) if len(fields) > 3 else None


def _mount(kind: str, root: str, point: str, options: str) -> Mount | None:
    controllers = {"cgroup2": [UNIFIED], "cpuset": ["cpuset"], "cgroup": options.split(",")}.get(kind)
    if controllers is None:
        return None
    return Mount(root=_unescaped(root), point=_unescaped(point), controllers=frozenset(controllers))


def _unescaped(path: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), path)


def _usual_mounts(tree: Tree) -> tuple[Mount, ...]:
    """Return the mounts that systemd makes, for a recording without a table of mounts."""
    v1 = tuple(
        Mount(root="/", point=f"{_DEFAULT_MOUNT}/{name}", controllers=frozenset(name.split(",")))
        for name in tree.names(_DEFAULT_MOUNT.strip("/"), _USUAL_NAME)
    )
    return v1 or (Mount(root="/", point=_DEFAULT_MOUNT, controllers=frozenset([UNIFIED])),)


def _chains(group: str, mounts: list[Mount]) -> list[Chain]:
    """Return a chain for each mount that shows `group` or ancestors of it."""
    home = _unnamed_home(group, mounts)
    own = _place(group, home)
    shown = [(mount, names) for mount in mounts if (names := _below(own, _place(mount.root, home))) is not None]
    if not shown and mounts and ".." not in group.split("/"):
        # The mount was made outside of our namespace: its top is our group or an ancestor.
        shown = [(mounts[0], (None,))]
    has_our_group = any(None not in names for _, names in shown)
    return [Chain(folders=_folders(mount.point, names), has_our_group=has_our_group) for mount, names in shown]


def _folders(point: str, names: Names) -> tuple[str, ...]:
    top = posixpath.normpath(f"/{point}").lstrip("/")
    known = () if None in names else names
    return tuple("/".join([top, *map(str, known[:depth])]) for depth in range(len(known), -1, -1))


def _unnamed_home(group: str, mounts: list[Mount]) -> Names:
    """Return the path of the namespace's root, with as many unknown names as any of the paths has `..`."""
    return (None,) * max(_climb(path)[0] for path in (group, *(mount.root for mount in mounts)))


def _climb(path: str) -> tuple[int, list[str]]:
    """Return how many groups `path` goes up from the namespace's root, and the names it then goes down."""
    names = [name for name in posixpath.normpath(path.lstrip("/")).split("/") if name != "."]
    up = names.count("..")
    return up, names[up:]


def _place(path: str, home: Names) -> Names:
    up, down = _climb(path)
    return (*home[: len(home) - up], *down)


def _path(place: Names) -> str:
    return "/" + "/".join(name or "?" for name in place)


def _below(place: Names, top: Names) -> Names | None:
    return place[len(top) :] if place[: len(top)] == top else None


def _home(tree: Tree, group: str, mounts: list[Mount]) -> Names | None:
    """Return the path of the namespace's root, found by our pid, where paths go above it and a mount shows it."""
    home = _unnamed_home(group, mounts)
    for mount in mounts if home else ():
        up = _climb(mount.root)[0]
        names = _below(_place(group, home), _place(mount.root, home))
        if up == len(home) and names and None in names:
            found = _search(tree, mount.point, names)
            return None if found is None else (*found, *home[len(found) :])
    return None


def _search(tree: Tree, point: str, names: Names) -> tuple[str, ...] | None:
    """Return names for the leading None of `names`, such that the group at the end of the path holds our pid."""
    top, depth = _folders(point, ())[0], names.count(None)
    end = "/".join([*map(str, names[depth:]), MEMBERS])
    pid = str(os.getpid())
    groups = islice(_groups(tree, top, depth), _MOST_GROUPS)
    return next((group for group in groups if pid in _members(tree, "/".join([top, *group, end]))), None)


def _groups(tree: Tree, top: str, depth: int) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the groups that are exactly `depth` levels below `top`."""
    if depth == 0:
        yield ()
        return
    for name in tree.folders(top):
        yield from ((name, *rest) for rest in _groups(tree, f"{top}/{name}", depth - 1))


def _members(tree: Tree, path: str) -> list[str]:
    return (tree.text(path) or "").split()
