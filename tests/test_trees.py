"""The written trees say what was described, to the kernel's formats and to an independent reader."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.trees import Described, build, cpu_list, cpu_map

MACHINES = (
    Described(),
    Described(sockets=2),
    Described(sockets=2, nodes_per_socket=2, cores_per_node=3, smt=2),
    Described(sockets=4, sockets_per_node=2, cores_per_node=4),
    Described(sockets=4, cores_per_node=12, smt=4),
)


def read(root: Path, name: str) -> str:
    """The text of a file of the tree, without its line end."""
    return (root / name).read_text().rstrip("\n")


@pytest.mark.parametrize(
    ("cpus", "text"),
    [((), ""), ((5,), "5"), ((0, 1), "0-1"), ((9, 0, 2, 1), "0-2,9"), ((0, 2, 4), "0,2,4")],
)
def test_cpu_list_is_the_kernels(cpus: tuple[int, ...], text: str) -> None:
    """A list joins neighbours into ranges and sorts them."""
    assert cpu_list(cpus) == text


@pytest.mark.parametrize(
    ("cpus", "possible", "text"),
    [
        ((0, 1), 2, "3"),
        ((), 8, "00"),
        ((31,), 32, "80000000"),
        ((0, 33), 36, "2,00000001"),
        ((64,), 96, "00000001,00000000,00000000"),
    ],
)
def test_cpu_map_is_the_kernels(cpus: tuple[int, ...], possible: int, text: str) -> None:
    """A map is hexadecimal words of 32 CPUs, as wide as the possible CPUs."""
    assert cpu_map(cpus, possible) == text


def test_cores_are_numbered_before_siblings() -> None:
    """CPU ids run over all cores of all sockets first, then over their second threads."""
    described = MACHINES[2]
    assert described.of_core(0) == (0, 12)
    assert described.of_node(1) == (3, 4, 5, 15, 16, 17)
    assert described.of_socket(1) == (6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23)
    assert (described.cpus[19].core, described.cpus[19].core_id, described.cpus[19].thread) == (7, 1, 1)


@pytest.mark.parametrize("described", MACHINES)
def test_every_cpu_is_in_one_core_socket_and_node(described: Described) -> None:
    """Cores, sockets and nodes each cut the CPUs into equal parts."""
    everything = set(range(described.logical_cpus))
    cores = [described.of_core(core) for core in range(described.cores)]
    sockets = [described.of_socket(socket) for socket in range(described.sockets)]
    nodes = [described.of_node(node) for node in range(described.numa_nodes)]
    for parts in (cores, sockets, nodes):
        assert set().union(*parts) == everything
        assert {len(part) for part in parts} == {len(everything) // len(parts)}


def test_a_node_may_hold_two_sockets(tmp_path: Path) -> None:
    """With two sockets a node there are half as many nodes, each with both sockets' CPUs."""
    described = MACHINES[3]
    root = build(described, tmp_path)
    assert described.sockets_of_node(1) == (2, 3)
    assert read(root, "sys/devices/system/node/online") == "0-1"
    assert read(root, "sys/devices/system/node/node1/cpulist") == "4-7"
    assert read(root, "sys/devices/system/cpu/cpu6/topology/package_cpus_list") == "6-7"


def test_nodes_of_one_socket_are_nearer(tmp_path: Path) -> None:
    """Distances are 10 to oneself, 12 within the socket, 21 beyond."""
    root = build(MACHINES[2], tmp_path)
    assert read(root, "sys/devices/system/node/node2/distance") == "21 21 10 12"


def test_the_bus_view_leads_to_the_same_files(tmp_path: Path) -> None:
    """Readers that go through /sys/bus find every CPU and node there."""
    root = build(MACHINES[2], tmp_path)
    assert read(root, "sys/bus/cpu/devices/cpu23/topology/physical_package_id") == "1"
    assert read(root, "sys/bus/node/devices/node3/cpulist") == "9-11,21-23"
    assert read(root, "sys/devices/system/node/node3/cpu9/topology/core_id") == "3"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sockets": 0},
        {"smt": -1},
        {"sockets": 2, "sockets_per_node": 2, "nodes_per_socket": 2},
        {"sockets": 3, "sockets_per_node": 2, "cores_per_node": 2},
        {"sockets": 2, "sockets_per_node": 2, "cores_per_node": 3},
    ],
)
def test_an_impossible_machine_is_refused(wrong: dict[str, int]) -> None:
    """Counts that contradict each other are an error, not a tree."""
    with pytest.raises(ValueError, match=r"every count|sockets_per_node|several"):
        Described(**wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(shutil.which("lscpu") is None, reason="lscpu (util-linux) is missing")
@pytest.mark.parametrize("described", MACHINES)
def test_lscpu_counts_what_was_described(described: Described, tmp_path: Path) -> None:
    """An independent reader finds the described CPUs, sockets, cores, threads and nodes."""
    root = build(described, tmp_path)
    argv = ("lscpu", "-J", "-s", str(root), "-e=CPU,CORE,SOCKET,NODE")
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    seen = [{key: int(value) for key, value in cpu.items()} for cpu in json.loads(text)["cpus"]]
    assert seen == [
        {"cpu": cpu.id, "core": cpu.core, "socket": cpu.socket, "node": cpu.node} for cpu in described.cpus
    ]
