"""The masks of configs on machines of many shapes, and the reasons of those that can't have one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import SpaceError
from autotp.space.knobs.config import Config
from autotp.space.limits.affinity import affinity, nodes_spanned, sockets_spanned
from autotp.topology.probe import Topology, narrow, probe
from tests.support.named_machines import MACHINES, NAMES, separate_sockets, topology
from tests.support.parts import Sharing
from tests.support.trees import Described, build


def masks(here: Topology, **settings: object) -> tuple[tuple[int, ...], ...] | None:
    """The masks of the config `settings`."""
    return affinity(Config.of(settings), here.machine, here.envelope)


def split(here: Topology, count: int, **settings: object) -> tuple[tuple[int, ...], ...] | None:
    """The masks of tensor parallelism of degree `count`."""
    return masks(here, distribution_policy="tensor_parallel", split_count=count, **settings)


@settings(deadline=None)
@given(NAMES)
def test_nothing_asked_means_the_whole_envelope(name: str) -> None:
    """Without a knob that binds, with all nodes, or with all sockets, there is no mask."""
    here = topology(name)
    machine = MACHINES[name]
    assert masks(here) is None
    assert masks(here, num_streams=1, distribution_policy="tensor_parallel") is None
    assert masks(here, numa_nodes=machine.numa_nodes) is None
    assert split(here, separate_sockets(machine)) is None


@settings(deadline=None)
@given(NAMES, st.data())
def test_a_split_spans_as_many_sockets(name: str, data: st.DataObject) -> None:
    """Tensor parallelism of degree K gets every CPU of the first K sockets and none of another."""
    machine = MACHINES[name]
    count = data.draw(st.integers(1, separate_sockets(machine)))
    expected = sorted(
        cpu
        for socket in range(count * machine.sockets // separate_sockets(machine))
        for cpu in machine.of_socket(socket)
    )
    found = split(topology(name), count) or (tuple(range(machine.logical_cpus)),)
    assert found == (tuple(expected),)


@settings(deadline=None)
@given(NAMES, st.data())
def test_nodes_are_bound_by_number_or_by_id(name: str, data: st.DataObject) -> None:
    """A number takes that many nodes from the first, a list those nodes; SMT siblings are included."""
    machine = MACHINES[name]
    ids = data.draw(st.sets(st.integers(0, machine.numa_nodes - 1), min_size=1))
    whole = (tuple(range(machine.logical_cpus)),)
    by_id = masks(topology(name), numa_nodes=list(ids)) or whole
    assert by_id == (tuple(sorted(cpu for node in ids for cpu in machine.of_node(node))),)
    by_number = masks(topology(name), numa_nodes=len(ids)) or whole
    assert by_number == (masks(topology(name), numa_nodes=list(range(len(ids)))) or whole)


def test_masks_on_four_sockets() -> None:
    """On 4x4 the degrees one to three make masks of four, eight and twelve CPUs; four needs none."""
    here = topology("4x4")
    assert [split(here, count) for count in (1, 2, 3, 4)] == [
        (tuple(range(4)),),
        (tuple(range(8)),),
        (tuple(range(12)),),
        None,
    ]


def test_masks_stay_in_the_envelope() -> None:
    """In a container that has parts of sockets 1 and 3, the first socket of two is socket 1."""
    here = narrow(topology("4x4"), (5, 6, 12, 13))
    assert split(here, 1) == ((5, 6),)
    assert split(here, 2) is None
    assert masks(here, numa_nodes=1) == ((5, 6),)
    assert masks(here, numa_nodes=[3]) == ((12, 13),)


def test_nodes_and_split_hold_together() -> None:
    """With both, sockets are counted among the nodes' CPUs."""
    here = topology("snc")
    assert split(here, 2, numa_nodes=[1, 2]) == ((3, 4, 5, 6, 7, 8),)
    assert split(here, 1, numa_nodes=[1, 2]) == ((3, 4, 5),)


def test_a_split_without_the_policy_binds_nothing() -> None:
    """`split_count` picks sockets for OpenVINO's policy only; without it there is nothing to bind for."""
    assert masks(topology("4x4"), split_count=2) is None


@settings(deadline=None)
@given(NAMES, st.data())
def test_instances_share_everything_evenly(name: str, data: st.DataObject) -> None:
    """However many there are, they have as many cores each, every CPU belongs to one, and none splits a core."""
    here, machine = topology(name), MACHINES[name]
    instances = data.draw(st.integers(1, machine.numa_nodes * machine.cores_per_node))
    try:
        found = masks(here, instances=instances) or (tuple(range(machine.logical_cpus)),)
    except SpaceError as error:
        assert instances not in (1, machine.numa_nodes), error
        return
    assert len(found) == instances
    assert sorted(cpu for mask in found for cpu in mask) == list(range(machine.logical_cpus))
    core_of = {cpu.id: cpu.core for cpu in here.machine.cpus}
    cores = [{core_of[cpu] for cpu in mask} for mask in found]
    assert len({len(of_mask) for of_mask in cores}) == 1
    assert sum(map(len, cores)) == len(set().union(*cores))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("4x4", {"instances": 2}, (tuple(range(8)), tuple(range(8, 16)))),
        ("2x6", {"instances": 4}, ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))),
        ("4x4", {"instances": 2, "numa_nodes": [1, 2]}, ((4, 5, 6, 7), (8, 9, 10, 11))),
        ("1x8", {"instances": 1}, None),
        ("2x1", {"instances": 2}, ((0,), (1,))),
    ],
)
def test_instances_get_whole_nodes_or_cores_of_one(
    name: str, settings: dict[str, object], expected: tuple[tuple[int, ...], ...] | None
) -> None:
    """Where there are fewer than nodes, several nodes each; where more, cores of a node; a single one gets all."""
    assert masks(topology(name), **settings) == expected


def test_each_instance_may_be_split_over_sockets_of_its_own() -> None:
    """Two instances on four sockets have two each to split over."""
    assert split(topology("4x4"), 2, instances=2) == (tuple(range(8)), tuple(range(8, 16)))
    assert split(topology("4x4"), 1, instances=2) == (tuple(range(4)), tuple(range(8, 12)))
    with pytest.raises(SpaceError, match="split_count=3 needs more sockets than the 2 that"):
        split(topology("4x4"), 3, instances=2)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("4x4", {"instances": 3}, "instances=3: 4 NUMA nodes can't be shared out evenly"),
        ("1x8", {"instances": 3}, "instances=3: their parts of the machine would have different numbers of cores"),
        ("2x1", {"instances": 4}, "a node has 1 core(s) for 2 instances"),
        ("2x6", {"split_count": 3}, "split_count=3 needs more sockets than the 2 that this process may use"),
        ("1x8", {"split_count": 2}, "split_count=2 needs more sockets than the 1 that this process may use"),
        (
            "snc",
            {"split_count": 2, "numa_nodes": 2},
            "split_count=2 needs more sockets than the 1 that this process may use",
        ),
        ("snc", {"numa_nodes": 5}, "numa_nodes=5: the process may use 4 of them"),
        ("2 sockets in one node", {"numa_nodes": 2}, "numa_nodes=2: the process may use 1 of them"),
        ("2x6", {"numa_nodes": [0, 2]}, "numa_nodes=[0, 2]: the process may not use node 2"),
    ],
)
def test_what_can_not_be_bound_says_why(name: str, settings: dict[str, object], reason: str) -> None:
    """More sockets or nodes than there are, or another node, is INVALID with that reason."""
    with pytest.raises(SpaceError) as caught:
        masks(topology(name), distribution_policy="tensor_parallel", **settings)
    assert str(caught.value) == reason


def test_the_envelope_decides_what_there_is() -> None:
    """A node or socket of the machine that this process may not use counts as absent."""
    here = narrow(topology("4x4"), (0, 1, 4))
    for nodes in ({"numa_nodes": 3}, {"numa_nodes": [2]}):
        with pytest.raises(SpaceError, match="the process may"):
            masks(here, **nodes)
    with pytest.raises(SpaceError, match="split_count=3 needs more sockets than the 2"):
        split(here, 3)


@pytest.mark.parametrize(
    ("described", "count", "cpus"),
    [
        (Described(nodes_per_socket=2, cores_per_node=4, l3=Sharing.NODE), 1, (0, 1, 2, 3)),
        (
            Described(nodes_per_socket=2, cores_per_node=4, l3=Sharing.CLUSTER, cores_per_cluster=2),
            1,
            (0, 1, 2, 3),
        ),
        (Described(sockets=2, cores_per_node=4, l3=Sharing.CLUSTER, cores_per_cluster=2), 1, (0, 1, 2, 3)),
        (Described(sockets=4, sockets_per_node=2, cores_per_node=4), 1, (0, 1, 2, 3)),
        (Described(sockets=2, nodes_per_socket=2, cores_per_node=2), 1, (0, 1, 2, 3)),
    ],
)
def test_sockets_are_those_that_openvino_tells_apart(
    described: Described, count: int, cpus: tuple[int, ...], tmp_path: Path
) -> None:
    """NUMA nodes with caches of their own count as sockets; sockets of one node, or nodes of one cache, as one."""
    here = probe(build(described, tmp_path / "machine"))
    assert split(here, count) == (cpus,)
    assert split(here, 2 * count) is None


@settings(deadline=None)
@given(NAMES, st.data())
def test_spans_follow_from_the_cpus(name: str, data: st.DataObject) -> None:
    """The sockets and nodes that CPUs lie on are those of the description."""
    machine = MACHINES[name]
    cpus = data.draw(st.sets(st.integers(0, machine.logical_cpus - 1)))
    found = topology(name).machine
    assert sockets_spanned(found, tuple(cpus)) == tuple(sorted({machine.cpus[cpu].socket for cpu in cpus}))
    assert nodes_spanned(found, tuple(cpus)) == tuple(sorted({machine.cpus[cpu].node for cpu in cpus}))
