"""Where the limits of this process's control groups are, in cgroup v1, v2 and mixtures of both.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ in the kernel's tree; man pages cgroups(7),
cgroup_namespaces(7), proc_pid_mountinfo(5). /proc/self/cgroup names the group in each hierarchy, relative to
the root of the cgroup namespace; a mount shows the hierarchy from its own root downwards, in a container
often just the leaf. A limit of any ancestor holds as well, so each mount that shows our group gives a chain of
folders from the leaf up to the top of the mount.

The root of a mount from outside of the namespace begins with a `..` for each ancestor that it shows. Their names
are told nowhere: on the live machine our group is the one that holds our pid.
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

# A look into each takes some 30 us, and a busy host has some thousand groups.
_MOST_GROUPS = 4096

# The names of the groups from the top of a hierarchy to one of its groups; None for those that aren't told.
Names = tuple[str | None, ...]


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mounted hierarchy: which of its groups (`root`) is seen at `point`, and which controllers it has."""

    root: str
    point: str
    controllers: frozenset[str]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The folders, leaf first, of groups that we are in; those of ancestors alone where our own isn't known."""

    folders: tuple[str, ...]
    has_our_group: bool


def group_chains(tree: Tree, controller: str) -> tuple[Chain, ...]:
    """The groups whose limits by `controller` hold here, for each mount of v1 and v2 that shows them."""
    groups, mounts = read_places(tree, (controller, UNIFIED))
    return tuple(
        chain
        for name in (controller, UNIFIED)
        for chain in _chains(groups.get(name, ""), [mount for mount in mounts if name in mount.controllers])
    )


def read_places(tree: Tree, controllers: Sequence[str]) -> tuple[dict[str, str], tuple[Mount, ...]]:
    """The groups by controller, and all mounts; with names in place of `..` where our pid shows them."""
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
    """Controller to the path of our group; `unified` for v2."""
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
    """All mounted hierarchies that nothing else is mounted over, or where they usually are."""
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
    """Where systemd mounts the hierarchies, for a recording without a table of mounts."""
    v1 = tuple(
        Mount(root="/", point=f"{_DEFAULT_MOUNT}/{name}", controllers=frozenset(name.split(",")))
        for name in tree.names(_DEFAULT_MOUNT.strip("/"), _USUAL_NAME)
    )
    return v1 or (Mount(root="/", point=_DEFAULT_MOUNT, controllers=frozenset([UNIFIED])),)


def _chains(group: str, mounts: list[Mount]) -> list[Chain]:
    """A chain for each of the mounts that shows `group` or ancestors of it."""
    home = _unnamed_home(group, mounts)
    own = _place(group, home)
    shown = [(mount, names) for mount in mounts if (names := _below(own, _place(mount.root, home))) is not None]
    if not shown and mounts and ".." not in group.split("/"):
        # Made for us from outside of our namespace: the top of the mount is our group or an ancestor.
        shown = [(mounts[0], (None,))]
    has_our_group = any(None not in names for _, names in shown)
    return [Chain(folders=_folders(mount.point, names), has_our_group=has_our_group) for mount, names in shown]


def _folders(point: str, names: Names) -> tuple[str, ...]:
    top = posixpath.normpath(f"/{point}").lstrip("/")
    known = () if None in names else names
    return tuple("/".join([top, *map(str, known[:depth])]) for depth in range(len(known), -1, -1))


def _unnamed_home(group: str, mounts: list[Mount]) -> Names:
    """The place of the namespace's root, as deep as the highest of the paths climbs above it."""
    return (None,) * max(_climb(path)[0] for path in (group, *(mount.root for mount in mounts)))


def _climb(path: str) -> tuple[int, list[str]]:
    """How many groups a path leads up from the namespace's root, and which it then leads down."""
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
    """The names down to the namespace's root, where paths climb above it and a mount shows who is where."""
    home = _unnamed_home(group, mounts)
    for mount in mounts if home else ():
        up = _climb(mount.root)[0]
        names = _below(_place(group, home), _place(mount.root, home))
        if up == len(home) and names and None in names:
            found = _search(tree, mount.point, names)
            return None if found is None else (*found, *home[len(found) :])
    return None


def _search(tree: Tree, point: str, names: Names) -> tuple[str, ...] | None:
    """The names in place of the leading None of `names`, such that the group at its end holds this process."""
    top, depth = _folders(point, ())[0], names.count(None)
    end = "/".join([*map(str, names[depth:]), MEMBERS])
    pid = str(os.getpid())
    groups = islice(_groups(tree, top, depth), _MOST_GROUPS)
    return next((group for group in groups if pid in _members(tree, "/".join([top, *group, end]))), None)


def _groups(tree: Tree, top: str, depth: int) -> Iterator[tuple[str, ...]]:
    """The names of the groups just so deep below `top`."""
    if depth == 0:
        yield ()
        return
    for name in tree.folders(top):
        yield from ((name, *rest) for rest in _groups(tree, f"{top}/{name}", depth - 1))


def _members(tree: Tree, path: str) -> list[str]:
    return (tree.text(path) or "").split()
