"""Which of the online CPUs form a core or a socket.

The rules are hwloc's (`look_sysfscpu` in hwloc/topology-linux.c): groups come from the sibling masks of
Documentation/admin-guide/cputopology.rst rather than from ids, because ids repeat (s390 books, several dies)
or are -1 (old arm64 and powerpc kernels). Newer file names are tried first, and masks before lists, which older
kernels cut off at a page. Ids, from sysfs or else from /proc/cpuinfo, are used only for CPUs that have no mask.
"""

from collections.abc import Iterator

import msgspec

from autotp.topology.hardware.cpuinfo import CpuModel, CpuPlace, read_cpu_places
from autotp.topology.hardware.online import CPU_FOLDER, read_online
from autotp.topology.tree.cpulist import parse_cpulist, parse_cpumask
from autotp.topology.tree.tree import Tree

_CORE_FILES = ("core_cpus", "core_cpus_list", "thread_siblings", "thread_siblings_list")
_SOCKET_FILES = ("package_cpus", "package_cpus_list", "core_siblings", "core_siblings_list")
_MAX_SOCKET_ID = 2**31 - 1

# Bulldozer and Jaguar list the cores of a compute unit as thread siblings, each with a core id of its own.
_COMPUTE_UNIT_FAMILIES = ("21", "22")

CpuSet = frozenset[int]


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The online CPUs, and for each of them its core (counted from 0) and its socket's id.

    `listed` is False if the machine's own files list other CPUs as online.
    """

    online: tuple[int, ...]
    listed: bool = True
    core_of: dict[int, int]
    socket_of: dict[int, int]


def read_layout(tree: Tree, model: CpuModel) -> Layout:
    """Return the layout of the online CPUs; TopologyError if there are none."""
    online, listed = read_online(tree)
    sockets = list(_by_mask(tree, online, _SOCKET_FILES))
    cores = list(_by_mask(tree, online, _CORE_FILES))
    places = _places(tree, _left_out(online, sockets) | _left_out(online, cores))
    socket_of = _sockets(tree, sockets, {cpu: places[cpu] for cpu in sorted(_left_out(online, sockets))})
    if model.vendor == "AuthenticAMD" and model.family in _COMPUTE_UNIT_FAMILIES:
        cores = [part for group in cores for part in _by_core_id(tree, group)]
    cores += _by_place({cpu: places[cpu] for cpu in _left_out(online, cores)}, socket_of)
    core_of = {cpu: core for core, group in enumerate(sorted(cores, key=min)) for cpu in group}
    return Layout(online=online, listed=listed, core_of=core_of, socket_of=socket_of)


def _by_mask(tree: Tree, online: tuple[int, ...], names: tuple[str, ...]) -> Iterator[CpuSet]:
    """Yield groups of siblings by the first of the files `names` that a CPU has; CPUs without any are left out."""
    left = set(online)
    for cpu in online:
        if cpu in left and (group := _siblings(tree, cpu, names) & left):
            left -= group
            yield group


def _siblings(tree: Tree, cpu: int, names: tuple[str, ...]) -> CpuSet:
    for name in names:
        parser = parse_cpulist if name.endswith("_list") else parse_cpumask
        found = tree.parse(f"{CPU_FOLDER}/cpu{cpu}/topology/{name}", parser) or ()
        if cpu in found:
            return frozenset(found)
    return frozenset()


def _left_out(online: tuple[int, ...], groups: list[CpuSet]) -> CpuSet:
    return frozenset(online).difference(*groups)


def _places(tree: Tree, cpus: CpuSet) -> dict[int, CpuPlace]:
    recorded = read_cpu_places(tree) if cpus else {}
    nowhere = CpuPlace(package=None, core=None)
    return {cpu: _place(tree, cpu, recorded.get(cpu, nowhere)) for cpu in cpus}


def _place(tree: Tree, cpu: int, recorded: CpuPlace) -> CpuPlace:
    package, core = _id(tree, cpu, "physical_package_id"), _id(tree, cpu, "core_id")
    return CpuPlace(
        package=recorded.package if package is None else package,
        core=recorded.core if core is None else core,
    )


def _id(tree: Tree, cpu: int, name: str) -> int | None:
    number = tree.number(f"{CPU_FOLDER}/cpu{cpu}/topology/{name}")
    return number if number is not None and 0 <= number <= _MAX_SOCKET_ID else None


def _sockets(tree: Tree, groups: list[CpuSet], rest: dict[int, CpuPlace]) -> dict[int, int]:
    """Return each CPU's socket id. CPUs of `rest` join the socket of their package id, or the first if unknown."""
    sockets = [(_id(tree, min(group), "physical_package_id"), set(group)) for group in groups]
    for cpu, place in rest.items():
        home = next((group for id_, group in sockets if place.package in (None, id_)), None)
        if home is None:
            sockets.append((place.package, {cpu}))
        else:
            home.add(cpu)
    ids = _distinct([id_ for id_, _ in sockets])
    return {cpu: id_ for id_, (_, group) in zip(ids, sockets, strict=True) for cpu in group}


def _distinct(ids: list[int | None]) -> list[int]:
    """Return the ids, with unknown and repeated ones replaced by the lowest free ones."""
    free = iter(sorted(set(range(len(ids))) - set(ids)))
    taken: set[int | None] = {None}
    distinct = []
    for id_ in ids:
        distinct.append(next(free) if id_ is None or id_ in taken else id_)
        taken.add(id_)
    return distinct


def _by_core_id(tree: Tree, group: CpuSet) -> list[CpuSet]:
    parts: dict[int | None, set[int]] = {}
    for cpu in sorted(group):
        parts.setdefault(_id(tree, cpu, "core_id"), set()).add(cpu)
    return [frozenset(part) for part in parts.values()]


def _by_place(places: dict[int, CpuPlace], socket_of: dict[int, int]) -> list[CpuSet]:
    """Return groups by socket and core id; a CPU whose core is unknown forms a core of its own."""
    cores: dict[tuple[int, int | None, int], set[int]] = {}
    for cpu, place in places.items():
        own = cpu if place.core is None else -1
        cores.setdefault((socket_of[cpu], place.core, own), set()).add(cpu)
    return [frozenset(core) for core in cores.values()]
