"""Where the limits of this process's control groups are, in cgroup v1, v2 and mixtures of both.

Sources: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ in the kernel's tree; man pages cgroups(7),
cgroup_namespaces(7), proc_pid_mountinfo(5). /proc/self/cgroup names the group in each hierarchy, relative to
the root of the cgroup namespace; a mount shows the hierarchy from its own root downwards, in a container
often just the leaf. A limit of any ancestor holds as well, so each hierarchy is a chain of folders from the
leaf up to the top of the mount.
"""

import posixpath
import re

import msgspec

from autotp.topology.tree import Tree

UNIFIED = "unified"
_DEFAULT_MOUNT = "/sys/fs/cgroup"
_USUAL_NAME = re.compile(r"(?:[a-z_]+,)*(?:cpu|cpuset|memory|unified)(?:,[a-z_]+)*")
_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A mounted hierarchy: which of its groups (`root`) is seen at `point`, and which controllers it has."""

    root: str
    point: str
    controllers: frozenset[str]


def group_chains(tree: Tree, controller: str) -> tuple[tuple[str, ...], ...]:
    """For v1 and for v2: the folders, leaf first, of the groups whose limits by `controller` hold here."""
    mounts = read_mounts(tree)
    groups = read_groups(tree)
    chains = (
        _chain(groups.get(name, ""), [mount for mount in mounts if name in mount.controllers])
        for name in (controller, UNIFIED)
    )
    return tuple(chain for chain in chains if chain)


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
    """All mounted hierarchies, or where they usually are."""
    detailed = tree.text("proc/self/mountinfo")
    if detailed:
        found = map(_mount_of_mountinfo, detailed.splitlines())
    else:
        plain = tree.text("proc/self/mounts") or tree.text("proc/mounts") or ""
        found = map(_mount_of_mounts, plain.splitlines())
    return tuple(mount for mount in found if mount) or _usual_mounts(tree)


def _mount_of_mountinfo(line: str) -> Mount | None:
    before, _, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if len(left) < 5 or len(right) < 3:
        return None
    return _mount(right[0], left[3], left[4], right[2])


def _mount_of_mounts(line: str) -> Mount | None:
    fields = line.split(" ")
    return _mount(fields[2], "/", fields[1], fields[3]) if len(fields) > 3 else None


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


def _chain(group: str, mounts: list[Mount]) -> tuple[str, ...]:
    """The folders of `group` and its ancestors in the mount that shows it; none where no mount can."""
    # A path that leads above the namespace's root: our group is outside of all that is visible.
    if not mounts or ".." in group.split("/"):
        return ()
    showing = [mount for mount in mounts if _is_below(group, mount.root)]
    mount = showing[0] if showing else mounts[0]
    # Else the mount was made for us from outside of our namespace, and its top is our leaf or an ancestor.
    names = posixpath.relpath(group or "/", mount.root).split("/") if showing else []
    names = [name for name in names if name not in ("", ".", "..")]
    top = posixpath.normpath(f"/{mount.point}").lstrip("/")
    return tuple("/".join([top, *names[:depth]]) for depth in range(len(names), -1, -1))


def _is_below(group: str, root: str) -> bool:
    return root == "/" or group == root or group.startswith(f"{root}/")
