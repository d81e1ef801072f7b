"""The written trees say what was described, to the kernel's formats and to an independent reader."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.parts import KindsBy, Maker, Numbering, Part, Sharing
from tests.support.trees import Described, build, cpu_list, cpu_map

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


def test_an_offline_cpu_is_in_no_list_and_has_no_topology(tmp_path: Path) -> None:
    """Lists and masks name online CPUs; the folder of an offline one, cpu0 too, says just that."""
    root = build(Described(cores_per_node=2, smt=2, offline=(0, 3)), tmp_path)
    assert read(root, "sys/devices/system/cpu/online") == "1-2"
    assert read(root, "sys/devices/system/cpu/offline") == "0,3"
    assert read(root, "sys/devices/system/cpu/present") == "0-3"
    assert read(root, "sys/devices/system/node/node0/cpulist") == "1-2"
    assert read(root, "sys/devices/system/cpu/cpu1/topology/core_cpus_list") == "1"
    assert [path.name for path in (root / "sys/devices/system/cpu/cpu0").iterdir() if path.is_file()] == ["online"]
    assert not (root / "sys/devices/system/cpu/cpu3/topology").exists()
    assert "processor      : 0" not in read(root, "proc/cpuinfo")


@pytest.mark.parametrize(
    ("numbering", "second_core"),
    [(Numbering.CORES_FIRST, (1, 5)), (Numbering.SIBLINGS_ADJACENT, (2, 3)), (Numbering.ROUND_ROBIN, (2, 6))],
)
def test_cpus_are_numbered_in_the_order_asked_for(numbering: Numbering, second_core: tuple[int, ...]) -> None:
    """The CPUs of the first socket's second core, of two sockets of two cores of two threads."""
    assert Described(sockets=2, cores_per_node=2, smt=2, numbering=numbering).of_core(1) == second_core


def test_ids_may_have_gaps(tmp_path: Path) -> None:
    """Ids of CPUs, cores, packages and nodes are those asked for, in every list and mask."""
    described = Described(
        sockets=2,
        cores_per_node=2,
        id_gaps=((2, 30),),
        package_ids=(3, 36),
        core_id_step=16,
        cpu_node_ids=(0, 8),
    )
    root = build(described, tmp_path)
    assert read(root, "sys/devices/system/cpu/online") == "0-1,32-33"
    assert read(root, "sys/devices/system/node/online") == "0,8"
    assert read(root, "sys/devices/system/node/node8/cpumap") == "3,00000000"
    assert read(root, "sys/devices/system/cpu/cpu33/topology/physical_package_id") == "36"
    assert read(root, "sys/devices/system/cpu/cpu33/topology/core_id") == "16"


def test_nodes_have_memory_and_distances_of_their_own(tmp_path: Path) -> None:
    """A node with memory only is nearest to one socket; sockets beyond the fourth are two hops away."""
    described = Described(sockets=8, memory_node_ids=(9,), memory_bytes=(2**30, 0))
    root = build(described, tmp_path)
    assert read(root, "sys/devices/system/node/node9/cpulist") == ""
    assert read(root, "sys/devices/system/node/node9/distance") == "17 28 28 28 28 28 28 28 10"
    assert read(root, "sys/devices/system/node/node5/distance") == "31 31 31 31 21 10 21 21 28"
    assert read(root, "sys/devices/system/node/has_memory") == "0,2,4,6,9"
    assert "MemTotal:       0 kB" in read(root, "sys/devices/system/node/node1/meminfo")
    assert "MemTotal:       5242880 kB" in read(root, "proc/meminfo")


def test_efficient_cores_are_the_last_of_each_socket(tmp_path: Path) -> None:
    """They have one thread, smaller first-level caches and an L2 for up to four of them."""
    described = Described(cores_per_node=7, smt=2, efficient_cores=5, numbering=Numbering.SIBLINGS_ADJACENT)
    root = build(described, tmp_path)
    assert read(root, "sys/devices/cpu_core/cpus") == "0-3"
    assert read(root, "sys/devices/cpu_atom/cpus") == "4-8"
    assert read(root, "sys/devices/system/cpu/cpu8/cache/index0/size") == "32K"
    assert read(root, "sys/devices/system/cpu/cpu4/cache/index2/shared_cpu_list") == "4-5"
    assert read(root, "sys/devices/system/cpu/cpu8/cache/index2/shared_cpu_list") == "6-8"
    arm = Described(cores_per_node=2, efficient_cores=1, kinds_by=KindsBy.CAPACITY, maker=Maker.ARM)
    capacities = build(arm, tmp_path / "arm") / "sys/devices/system/cpu"
    assert [read(capacities, f"cpu{cpu}/cpu_capacity") for cpu in (0, 1)] == ["1024", "446"]
    assert "physical id" not in read(tmp_path / "arm", "proc/cpuinfo")


@pytest.mark.parametrize(
    ("l3", "shared"),
    [(Sharing.SOCKET, "0-11"), (Sharing.NODE, "0-5"), (Sharing.CLUSTER, "0-3"), (Sharing.NONE, None)],
)
def test_the_last_cache_is_shared_as_asked_for(l3: Sharing, shared: str | None, tmp_path: Path) -> None:
    """By the socket, by the node, by four cores, or there is none."""
    root = build(Described(nodes_per_socket=2, cores_per_node=6, l3=l3), tmp_path)
    path = root / "sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list"
    assert (path.read_text().strip() if path.exists() else None) == shared


def test_an_old_kernel_and_missing_folders_tell_less(tmp_path: Path) -> None:
    """Linux before 5.3 has thread_siblings only, and each of three folders may be missing."""
    root = build(Described(old_kernel=True, missing=(Part.CACHE, Part.NODE)), tmp_path)
    assert (root / "sys/devices/system/cpu/cpu0/topology/thread_siblings").exists()
    for name in ("cpu0/topology/core_cpus", "cpu0/cache", "cpu0/node0"):
        assert not (root / "sys/devices/system/cpu" / name).exists()
    assert not (root / "sys/devices/system/node").exists()
    bare = build(Described(missing=(Part.TOPOLOGY, Part.CACHE)), tmp_path / "bare")
    assert not (bare / "sys/devices/system/cpu/cpu0/topology").exists()
    assert (bare / "sys/bus/cpu/devices/cpu0").is_dir()


@pytest.mark.parametrize(
    "wrong",
    [
        {"efficient_cores": 2},
        {"package_ids": (0, 1)},
        {"cpu_node_ids": (0, 1)},
        {"memory_node_ids": (0,)},
        {"sockets": 0},
        {"smt": -1},
        {"sockets": 2, "sockets_per_node": 2, "nodes_per_socket": 2},
        {"sockets": 3, "sockets_per_node": 2, "cores_per_node": 2},
        {"sockets": 2, "sockets_per_node": 2, "cores_per_node": 3},
    ],
)
def test_an_impossible_machine_is_refused(wrong: dict[str, Any]) -> None:
    """Counts that contradict each other are an error, not a tree."""
    with pytest.raises(ValueError, match=r"every count|sockets_per_node|several|efficient|one.* id|same id"):
        Described(**wrong)


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
