"""A machine as a table of its CPUs, written in every notation that kernels have used."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from autotp.topology.hardware.machine import Machine
from autotp.topology.probe import probe
from autotp.topology.tree.cpulist import format_cpulist
from tests.support.recorded_files import write

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
# The notations: (file of the core's CPUs, file of the socket's CPUs); the last has ids alone.
MASKS = ("core_cpus", "package_cpus")
LISTS = ("core_cpus_list", "package_cpus_list")
OLD_MASKS = ("thread_siblings", "core_siblings")
OLD_LISTS = ("thread_siblings_list", "core_siblings_list")
IDS = ("", "")


class Row(NamedTuple):
    """Where one CPU is; `core` counts within its socket."""

    id: int
    core: int
    socket: int
    node: int


def mask(cpus: list[int]) -> str:
    """The kernel's mask of these CPUs, in words of 32 bits."""
    digits = f"{sum(1 << cpu for cpu in cpus):x}"
    digits = digits.zfill(-(-len(digits) // 8) * 8)
    return ",".join(digits[start : start + 8] for start in range(0, len(digits), 8))


def files(rows: list[Row], names: tuple[str, str] = MASKS, online: set[int] | None = None) -> dict[str, str]:
    """The tree of these CPUs. Only online ones have a topology folder, but masks name the others as well."""
    online = {row.id for row in rows} if online is None else online
    tree = {f"{CPU}/online": format_cpulist(online), "proc/cpuinfo": ""}
    for row in rows:
        folder = f"{CPU}/cpu{row.id}"
        tree[f"{folder}/online"] = f"{int(row.id in online)}"
        if row.id in online:
            tree |= {f"{folder}/topology/{name}": text for name, text in _topology(rows, row, names)}
    for node in {row.node for row in rows}:
        tree[f"{NODE}/node{node}/cpumap"] = mask([row.id for row in rows if row.node == node])
    return tree


def _topology(rows: list[Row], row: Row, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    yield "core_id", f"{row.core}"
    yield "physical_package_id", f"{row.socket}"
    core = [other.id for other in rows if other[1:3] == row[1:3]]
    socket = [other.id for other in rows if other.socket == row.socket]
    for name, cpus in zip(names, (core, socket), strict=True):
        if name:
            yield name, format_cpulist(cpus) if name.endswith("_list") else mask(cpus)


def machine(root: Path, tree: dict[str, str]) -> Machine:
    """The machine that is probed from these files."""
    return probe(write(root, tree)).machine


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Machines with sparse ids, 1 to 16 sockets, SMT 1 to 8, nodes that split sockets or span them."""
    sockets, smt = draw(st.integers(1, 16)), draw(st.sampled_from([1, 2, 4, 8]))
    cores = draw(st.integers(1, max(1, 48 // sockets // smt)))
    socket_ids = draw(st.permutations(range(0, 3 * sockets, 3)))
    cores_per_node = draw(st.integers(1, cores))
    sockets_per_node = draw(st.integers(1, sockets)) if cores_per_node == cores else 1
    places = [(core, socket) for socket in range(sockets) for core in range(cores) for _ in range(smt)]
    ids = draw(st.lists(st.integers(0, 1500), min_size=len(places), max_size=len(places), unique=True))
    return [
        Row(
            id=cpu,
            core=core,
            socket=socket_ids[socket],
            node=5 * (socket // sockets_per_node) * cores + core // cores_per_node,
        )
        for cpu, (core, socket) in zip(ids, places, strict=True)
    ]


def two_sockets() -> list[Row]:
    """Two sockets of two cores of two threads, siblings four ids apart."""
    return [Row(id=cpu, core=cpu % 2, socket=cpu // 2 % 2, node=cpu // 2 % 2) for cpu in range(8)]
