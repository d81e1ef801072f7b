"""Machines by name, as `probe` finds them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from autotp.topology.probe import Topology, probe
from tests.support.trees import AVX2_FLAGS, Described, build

MACHINES = {
    "1x8": Described(cores_per_node=8),
    "1x8 avx2": Described(cores_per_node=8, flags=AVX2_FLAGS),
    "2x1": Described(sockets=2),
    "2x6": Described(sockets=2, cores_per_node=6),
    "4x4": Described(sockets=4, cores_per_node=4),
    "2 sockets in one node": Described(sockets=2, sockets_per_node=2, cores_per_node=8),
    "smt 2": Described(sockets=2, cores_per_node=4, smt=2),
    "snc": Described(sockets=2, nodes_per_socket=2, cores_per_node=3),
}
NAMES = st.sampled_from(sorted(MACHINES))


@cache
def topology(name: str) -> Topology:
    """What `probe` finds on the machine of that name in `MACHINES`."""
    with TemporaryDirectory() as folder:
        return probe(build(MACHINES[name], Path(folder, "root")))


def separate_sockets(machine: Described) -> int:
    """How many sockets OpenVINO distinguishes: those in one node are one."""
    return machine.sockets // machine.sockets_per_node
