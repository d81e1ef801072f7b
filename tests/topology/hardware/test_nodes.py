"""NUMA nodes: with memory only, sparse, offline, emulated, and none at all."""

from pathlib import Path

import pytest

from autotp.errors import TopologyError
from tests.support.cpu_tables import CPU, NODE, Row, files, machine, two_sockets


def _nodes(root: Path, tree: dict[str, str]) -> dict[int, tuple[int, ...]]:
    return {node.id: node.cpus for node in machine(root, tree).nodes}


def test_memory_only_nodes_count(tmp_path: Path) -> None:
    """A node without CPUs is a node, on no socket."""
    found = machine(tmp_path, files(two_sockets()) | {f"{NODE}/node7/cpumap": "00000000"})
    assert found.numa_nodes == 3
    assert (found.nodes[2].id, found.nodes[2].cpus, found.nodes[2].sockets) == (7, (), ())


def test_without_a_node_folder_one_node_has_all_cpus(tmp_path: Path) -> None:
    """A kernel without NUMA is a machine with node 0."""
    tree = {name: text for name, text in files(two_sockets()).items() if not name.startswith(NODE)}
    assert _nodes(tmp_path, tree) == {0: tuple(range(8))}


def test_lists_are_read_where_masks_are_missing(tmp_path: Path) -> None:
    """Either notation of a node's CPUs will do."""
    tree = {f"{CPU}/online": "0-3", f"{NODE}/node2/cpulist": "0-1", f"{NODE}/node9/cpulist": "2-3"}
    assert _nodes(tmp_path, tree) == {2: (0, 1), 9: (2, 3)}


def test_offline_nodes_do_not_count(tmp_path: Path) -> None:
    """A folder of a node that isn't in the online list is not of this machine."""
    tree = {f"{CPU}/online": "0-1", f"{NODE}/online": "1"}
    tree |= {f"{NODE}/node0/cpulist": "", f"{NODE}/node1/cpulist": "0-1"}
    assert _nodes(tmp_path, tree) == {1: (0, 1)}


def test_cpus_that_no_node_lists_are_on_the_first(tmp_path: Path) -> None:
    """Each CPU is in a node, so that binding to nodes reaches all of them."""
    tree = {f"{CPU}/online": "0-3", f"{NODE}/node1/cpulist": "2", f"{NODE}/node3/cpulist": "3"}
    assert _nodes(tmp_path, tree) == {1: (0, 1, 2), 3: (3,)}


def test_emulated_nodes_share_their_cpus(tmp_path: Path) -> None:
    """With `numa=fake` several nodes list the same CPUs; a CPU counts as on the first."""
    tree = files([Row(id=0, core=0, socket=0, node=0)]) | {f"{NODE}/node1/cpumap": "1"}
    found = machine(tmp_path, tree)
    assert [node.cpus for node in found.nodes] == [(0,), (0,)]
    assert found.cpus[0].node == 0


def test_distances_and_memory_of_each_node(tmp_path: Path) -> None:
    """A node has its memory and its distances to each node, one with memory only included."""
    tree = files(two_sockets()) | {f"{NODE}/node7/cpumap": "0", f"{NODE}/node0/distance": "10 21 17\n"}
    tree |= {f"{NODE}/node0/meminfo": "Node 0 MemTotal:       65536 kB\nNode 0 MemFree:  1 kB\n"}
    nodes = machine(tmp_path, tree).nodes
    assert (nodes[0].distances, nodes[0].memory_bytes) == ((10, 21, 17), 2**26)
    assert (nodes[1].distances, nodes[1].memory_bytes) == ((), None)


def test_distances_to_other_nodes_than_ours_are_unknown(tmp_path: Path) -> None:
    """A list that is longer or shorter than the online nodes can't be assigned to them."""
    for text in ("10", "10 21 21"):
        assert machine(tmp_path, files(two_sockets()) | {f"{NODE}/node0/distance": text}).nodes[0].distances == ()


def test_damaged_distances_name_their_file(tmp_path: Path) -> None:
    """Distances that aren't numbers are an error."""
    with pytest.raises(TopologyError, match="node1/distance: "):
        machine(tmp_path, files(two_sockets()) | {f"{NODE}/node1/distance": "10 far"})


def test_a_node_may_span_sockets(tmp_path: Path) -> None:
    """Several sockets in one node are all named by it."""
    rows = [row._replace(node=4) for row in two_sockets()]
    assert machine(tmp_path, files(rows)).nodes[0].sockets == (0, 1)
