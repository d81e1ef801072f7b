"""Reads the NUMA nodes from sysfs: Documentation/ABI/stable/sysfs-devices-node in the kernel's sources.

Nodes without CPUs (high-bandwidth or persistent memory, a GPU's memory) are included. A kernel without NUMA has no
node folder; then, as in hwloc, one node 0 has all CPUs.
"""

import re

from autotp.topology.envelope.memory import read_total_bytes
from autotp.topology.hardware.layout import Layout
from autotp.topology.hardware.machine import Node
from autotp.topology.tree.cpulist import MAX_ID, parse_cpulist, parse_cpumask
from autotp.topology.tree.tree import Tree, parse_integer

NODE_FOLDER = "sys/devices/system/node"

_NODE_NAME = re.compile(r"node[0-9]{1,5}", re.ASCII)


def read_nodes(tree: Tree, layout: Layout) -> tuple[Node, ...]:
    """Return all online nodes sorted by id; each online CPU is in at least one of them."""
    cpus_of = {node: _cpus(tree, node, layout) for node in _node_ids(tree)} or {0: frozenset()}
    # CPUs that no node lists go to the first one, where the kernel puts their memory, too.
    cpus_of[min(cpus_of)] |= frozenset(layout.online).difference(*cpus_of.values())
    return tuple(
        Node(
            id=node,
            sockets=tuple(sorted({layout.socket_of[cpu] for cpu in cpus})),
            cpus=tuple(sorted(cpus)),
            memory_bytes=read_total_bytes(tree, f"{NODE_FOLDER}/node{node}/meminfo"),
            distances=_distances(tree, node, len(cpus_of)),
        )
        for node, cpus in sorted(cpus_of.items())
    )


def _node_ids(tree: Tree) -> list[int]:
    found = [int(name.removeprefix("node")) for name in tree.names(NODE_FOLDER, _NODE_NAME)]
    online = tree.parse(f"{NODE_FOLDER}/online", parse_cpulist)
    return [node for node in found if node <= MAX_ID and (online is None or node in online)]


def _cpus(tree: Tree, node: int, layout: Layout) -> frozenset[int]:
    found = tree.parse(f"{NODE_FOLDER}/node{node}/cpumap", parse_cpumask)
    if found is None:
        found = tree.parse(f"{NODE_FOLDER}/node{node}/cpulist", parse_cpulist)
    return frozenset(found or ()).intersection(layout.online)


def _distances(tree: Tree, node: int, nodes: int) -> tuple[int, ...]:
    """Return the distances to the online nodes by id; none if the list has another length."""
    found = tree.parse(f"{NODE_FOLDER}/node{node}/distance", _distance_list)
    return found if found is not None and len(found) == nodes else ()


def _distance_list(text: str) -> tuple[int, ...]:
    distances = tuple(parse_integer(word) for word in text.split())
    if min(distances) < 0:
        raise ValueError(f"{min(distances)} is not a distance")
    return distances


def node_of(nodes: tuple[Node, ...]) -> dict[int, int]:
    """Return each CPU's node. Emulated nodes (`numa=fake`) share CPUs; then the lowest id counts."""
    return {cpu: node.id for node in reversed(nodes) for cpu in node.cpus}
