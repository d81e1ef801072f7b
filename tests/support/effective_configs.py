"""Machines to pretend and configs to try there, drawn rule by rule so that the prediction's every rule is met."""

import random
from collections.abc import Callable, Mapping

from autotp.errors import SpaceError
from autotp.space.knobs.config import Config
from autotp.space.limits.affinity import affinity
from autotp.topology.probe import Topology
from tests.support.parts import Numbering, Sharing
from tests.support.trees import Described

MACHINES = {
    "1 socket": Described(cores_per_node=8),
    "1 socket, SMT": Described(cores_per_node=6, smt=2),
    "2 sockets, SMT": Described(sockets=2, cores_per_node=8, smt=2),
    "4 sockets": Described(sockets=4, cores_per_node=4),
    "8 sockets, SMT": Described(sockets=8, cores_per_node=4, smt=2),
    "2 large sockets": Described(sockets=2, cores_per_node=48),
    "2 sockets of 2 nodes": Described(sockets=2, nodes_per_socket=2, cores_per_node=6),
    "1 large socket of 2 nodes": Described(nodes_per_socket=2, cores_per_node=24),
    "2 sockets in 1 node": Described(sockets=2, sockets_per_node=2, cores_per_node=8),
    "4 sockets in 2 nodes": Described(sockets=4, sockets_per_node=2, cores_per_node=8),
    "L3 by node": Described(nodes_per_socket=2, cores_per_node=6, l3=Sharing.NODE),
    "L3 by cluster": Described(sockets=2, nodes_per_socket=2, cores_per_node=8, l3=Sharing.CLUSTER),
    "no L3": Described(sockets=2, cores_per_node=6, l3=Sharing.NONE),
    "CPUs offline": Described(sockets=2, cores_per_node=6, smt=2, offline=(0, 9, 13)),
    "siblings adjacent": Described(sockets=2, cores_per_node=6, smt=2, numbering=Numbering.SIBLINGS_ADJACENT),
    "P- and E-cores": Described(cores_per_node=14, smt=2, efficient_cores=8),
}

Settings = dict[str, object]
Draw = Callable[[random.Random, Topology], Settings]


def _count(random_: random.Random, topology: Topology) -> int:
    return random_.randint(1, len(topology.envelope.cpus))


def _split(random_: random.Random, topology: Topology) -> Settings:
    return {"distribution_policy": "tensor_parallel", "num_streams": 1}


RULES: Mapping[str, Draw] = {
    "one stream": lambda r, t: {},
    "one stream, threads set": lambda r, t: {"inference_num_threads": _count(r, t)},
    "streams set": lambda r, t: {"num_streams": _count(r, t)},
    "streams and threads set": lambda r, t: {"num_streams": _count(r, t), "inference_num_threads": _count(r, t)},
    "throughput": lambda r, t: {"performance_hint": "throughput"},
    "throughput, threads set": lambda r, t: {
        "performance_hint": "throughput",
        "inference_num_threads": _count(r, t),
    },
    "throughput, streams set": lambda r, t: {"performance_hint": "throughput", "num_streams": _count(r, t)},
    "split": _split,
    "split, threads set": lambda r, t: _split(r, t) | {"inference_num_threads": _count(r, t)},
    "split over some sockets": lambda r, t: _split(r, t) | {"split_count": r.randint(1, t.machine.sockets)},
    "split without effect": lambda r, t: {
        "distribution_policy": "tensor_parallel",
        "num_streams": _count(r, t) + 1,
    },
    "some nodes": lambda r, t: {"numa_nodes": r.randint(1, t.machine.numa_nodes)},
    "SMT": lambda r, t: {"enable_hyper_threading": r.choice([True, False])},
    "SMT, streams set": lambda r, t: {
        "enable_hyper_threading": r.choice([True, False]),
        "num_streams": _count(r, t),
    },
    "not pinned": lambda r, t: {"enable_cpu_pinning": False, "num_streams": _count(r, t)},
    "core type": lambda r, t: {"scheduling_core_type": r.choice(["pcore_only", "ecore_only", "any_core"])},
}
EXTRAS: tuple[Draw, ...] = (
    lambda r, t: {"numa_nodes": r.randint(1, t.machine.numa_nodes)},
    lambda r, t: {"enable_hyper_threading": r.choice([True, False])},
    lambda r, t: {"enable_cpu_pinning": True},
    lambda r, t: {"scheduling_core_type": r.choice(["pcore_only", "ecore_only"])},
)


def draw_configs(topology: Topology, count: int, seed: int) -> list[tuple[str, Config]]:
    """Draw `count` configs that can run, as many of each rule as can be; a third have other knobs set as well."""
    random_, drawn = random.Random(seed), list[tuple[str, Config]]()
    while len(drawn) < count:
        rule, draw = list(RULES.items())[len(drawn) % len(RULES)]
        extra = random_.choice(EXTRAS)(random_, topology) if random_.random() < 1 / 3 else {}
        config = Config.of(extra | draw(random_, topology))
        try:
            affinity(config, topology.machine, topology.envelope)
        except SpaceError:
            continue
        drawn.append((rule, config))
    return drawn
