"""Cores, sockets and nodes over the whole range of machines, in every notation that kernels have used."""

from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import TopologyError
from tests.support.cpu_tables import (
    CPU,
    IDS,
    LISTS,
    MASKS,
    OLD_LISTS,
    OLD_MASKS,
    Row,
    files,
    machine,
    tables,
    two_sockets,
)
from tests.support.recorded_files import in_memory


@settings(max_examples=60, deadline=None)
@given(
    rows=tables(),
    names=st.sampled_from([MASKS, LISTS, OLD_MASKS, OLD_LISTS, IDS]),
    data=st.data(),
)
def test_every_described_machine_is_found(rows: list[Row], names: tuple[str, str], data: st.DataObject) -> None:
    """Whatever the shape, the ids, the offline CPUs and the notation: what is found is what was described."""
    online = data.draw(st.sets(st.sampled_from([row.id for row in rows]), min_size=1))
    with in_memory() as folder:
        found = machine(Path(folder), files(rows, names, online))
    alive = sorted(row for row in rows if row.id in online)
    cores = sorted(row[1:3] for row in alive)
    assert [(cpu.id, cpu.socket, cpu.node) for cpu in found.cpus] == [(r.id, r.socket, r.node) for r in alive]
    assert found.cores == len(set(cores))
    assert found.smt == max(len(list(threads)) for _, threads in groupby(cores))
    assert found.numa_nodes == len({row.node for row in rows})
    for node in found.nodes:
        assert node.cpus == tuple(row.id for row in alive if row.node == node.id)
        assert node.sockets == tuple(sorted({row.socket for row in alive if row.node == node.id}))


def test_sysfs_is_believed_where_cpuinfo_disagrees(tmp_path: Path) -> None:
    """A virtual machine's /proc/cpuinfo may describe another shape; the masks of sysfs decide."""
    lies = "".join(f"processor : {cpu}\nphysical id : {cpu}\ncore id : 0\n\n" for cpu in range(32))
    found = machine(tmp_path, files(two_sockets()) | {"proc/cpuinfo": lies})
    assert (found.sockets, found.cores, found.logical_cpus) == (2, 4, 8)


def test_cpuinfo_tells_the_places_without_topology_folders(tmp_path: Path) -> None:
    """Where sysfs has no topology, package and core ids of /proc/cpuinfo do."""
    records = "".join(
        f"processor : {row.id}\nphysical id : {row.socket}\ncore id : {row.core}\n\n" for row in two_sockets()
    )
    tree = {name: text for name, text in files(two_sockets()).items() if "/topology/" not in name}
    found = machine(tmp_path, tree | {"proc/cpuinfo": records})
    assert (found.sockets, found.cores, found.smt) == (2, 4, 2)


def test_without_any_place_each_cpu_is_a_core_of_one_socket(tmp_path: Path) -> None:
    """Where no file describes sockets and cores, one socket of single-threaded cores is assumed."""
    found = machine(tmp_path, {f"{CPU}/online": "1-3"})
    assert (found.sockets, found.cores, found.smt) == (1, 3, 1)


def test_a_cpu_without_its_folder_joins_its_siblings(tmp_path: Path) -> None:
    """One lost folder does no harm while a sibling's masks name its CPU."""
    tree = {name: text for name, text in files(two_sockets()).items() if "/cpu5/" not in name}
    assert machine(tmp_path / "lost", tree) == machine(tmp_path / "whole", files(two_sockets()))


def test_repeated_and_impossible_socket_ids_are_replaced(tmp_path: Path) -> None:
    """Masks distinguish sockets even where all have the id -1 or 0; each then gets an id of its own."""
    for text in ("-1", "0", "4294967295"):
        tree = files(two_sockets())
        tree |= dict.fromkeys((name for name in tree if name.endswith("physical_package_id")), text)
        assert {cpu.socket for cpu in machine(tmp_path, tree).cpus} == {0, 1}


@pytest.mark.parametrize(("family", "cores"), [("21", 8), ("23", 4)])
def test_cores_of_a_compute_unit_are_cores(tmp_path: Path, family: str, cores: int) -> None:
    """Bulldozer lists two cores with ids of their own as siblings; later processors' siblings are threads."""
    tree = files(two_sockets())
    tree |= {f"{CPU}/cpu{cpu}/topology/core_id": f"{cpu}" for cpu in range(8)}
    tree["proc/cpuinfo"] = f"processor : 0\nvendor_id : AuthenticAMD\ncpu family : {family}\n"
    assert machine(tmp_path, tree).cores == cores


def test_online_files_decide_without_an_online_list(tmp_path: Path) -> None:
    """Old kernels have one file for each CPU, and none for cpu0, which can't go offline."""
    tree = files(two_sockets(), online={0, 3, 4})
    del tree[f"{CPU}/online"], tree[f"{CPU}/cpu0/online"]
    assert [cpu.id for cpu in machine(tmp_path, tree).cpus] == [0, 3, 4]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("proc/cpuinfo", "processor\t: 0\n\nprocessor\t: 1\n"),
        ("proc/stat", "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n"),
    ],
)
def test_proc_lists_the_cpus_where_sysfs_has_none(tmp_path: Path, name: str, text: str) -> None:
    """Without /sys/devices/system/cpu the files in /proc still count the CPUs."""
    assert machine(tmp_path, {name: text}).logical_cpus == 2


def test_a_tree_without_any_cpu_is_refused(tmp_path: Path) -> None:
    """An empty recording is an error that names what was looked for."""
    with pytest.raises(TopologyError, match=r"cpu/online: .*names a CPU"):
        machine(tmp_path, {})


def test_thousands_of_cpus_are_found(tmp_path: Path) -> None:
    """Ids above 1023, where fixed masks of the C library end, are CPUs like any other."""
    rows = [Row(id=cpu, core=cpu // 2, socket=0, node=0) for cpu in range(1000, 1100)]
    found = machine(tmp_path, files(rows))
    assert (found.logical_cpus, found.cores) == (100, 50)
