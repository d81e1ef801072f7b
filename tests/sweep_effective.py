"""Compares predicted effective configs with what the real OpenVINO makes of them on pretended machines.

    python -m tests.sweep_effective [--configs 100] [--out FILE] [MACHINE ...]

On each machine the configs are drawn rule by rule, so that every rule is met often. What decides is counted by
the kernel, not echoed by a property: the threads of the process, from which follow those of the streams and
sub-streams. TBB now and then starts a worker too many or too few, so a config is observed in three processes, or
in nine where these don't agree with the prediction, and the median counts.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotp.errors import SpaceError
from autotp.space import Config, Effective, Identity, Predictor, Streams, affinity
from autotp.topology import Topology, probe
from tests import rig
from tests.models import wide_model
from tests.parts import Numbering, Sharing
from tests.trees import Described, build

OBSERVATIONS = 3
TARGET = 0.98
TIMEOUT_S = 600

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


@dataclass(frozen=True)
class Case:
    """One config of one rule: what was predicted, and what OpenVINO made of it."""

    rule: str
    config: Config
    predicted: Mapping[str, object]
    observed: Mapping[str, object]
    identity: Identity

    @property
    def agrees(self) -> bool:
        """Whether all that was predicted came true."""
        return self.predicted == self.observed


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
LEARNED = Config.of({"performance_hint": "throughput"})  # tells what the model calls for


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


def sweep(described: Described, count: int, folder: Path, seed: int = 0) -> list[Case]:
    """Predict and observe `count` configs on a pretended machine; `folder` receives its files."""
    topology = probe(build(described, folder / "tree"))
    drawn = draw_configs(topology, count, seed)
    configs = [config for _, config in drawn]
    predictor = Predictor(topology)
    (hint,) = _observe(described, topology, [LEARNED], folder, 1)
    learned = Effective(streams=hint[0]["streams"], threads=hint[0]["threads"])
    model_threads = predictor.model_threads(LEARNED, learned)
    predicted = [_predict(predictor, config, model_threads) for config in configs]
    seen = _observe(described, topology, configs, folder, OBSERVATIONS)
    doubtful = [index for index, found in enumerate(seen) if _median(found) != predicted[index]]
    again = _observe(described, topology, [configs[index] for index in doubtful], folder, 2 * OBSERVATIONS)
    for index, more in zip(doubtful, again, strict=True):
        seen[index] += more
    return [
        Case(rule, config, predicted[index], _median(seen[index]), predictor.identity(config))
        for index, (rule, config) in enumerate(drawn)
    ]


def _predict(predictor: Predictor, config: Config, model_threads: int | None) -> dict[str, object]:
    effective, streams = predictor.effective(config, model_threads), predictor.streams(config, model_threads)
    return {
        "streams": effective.streams,
        "threads": effective.threads,
        "pinned": effective.pinned,
        "tasks": _tasks(streams) if streams else None,
    }


def _tasks(streams: Streams) -> int:
    """The main thread, one for callbacks and one for each thread of a stream.

    A split's stream has a thread of its own, and each of its sub-streams one for callbacks.
    """
    if not streams.sub_streams:
        return 2 + streams.threads
    return 3 + sum(streams.sub_streams) + len(streams.sub_streams)


def _observe(
    described: Described, topology: Topology, configs: list[Config], folder: Path, times: int
) -> list[list[dict[str, Any]]]:
    """What OpenVINO makes of each config in each of several processes."""
    asked = [
        {
            "mask": (affinity(config, topology.machine, topology.envelope) or (None,))[0],
            "properties": config.properties(),
        }
        for config in configs
    ]
    given = {"model": str(wide_model(folder)), "configs": asked * times}
    argv = rig.command(described, (sys.executable, "-m", "tests.effective_worker"), shim=True, tmp=folder)
    done = subprocess.run(argv, input=json.dumps(given), capture_output=True, text=True, timeout=TIMEOUT_S)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    if len(seen) != len(configs) * times:
        raise RuntimeError(f"the observer ended early: {done.stderr}")
    return [seen[index :: len(configs)] for index in range(len(configs))]


def _median(seen: list[dict[str, Any]]) -> dict[str, Any]:
    if any("error" in one for one in seen):
        return next(one for one in seen if "error" in one)
    return seen[0] | {"tasks": statistics.median_low(one["tasks"] for one in seen)}


def wrong_merges(cases: list[Case]) -> Iterator[tuple[Case, Case]]:
    """Yield pairs of configs that would be merged though OpenVINO treats them differently."""
    first: dict[Identity, Case] = {}
    for case in cases:
        known = first.setdefault(case.identity, case)
        if known.observed != case.observed:
            yield known, case


def main() -> int:
    """Sweep the machines, print agreement rule by rule and every mismatch; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=", ".join(MACHINES))
    parser.add_argument("--configs", type=int, default=100, help="of each machine (100)")
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    given = parser.parse_args()
    cases: dict[str, list[Case]] = {}
    for name in given.machines or MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            cases[name] = sweep(MACHINES[name], given.configs, Path(folder))
        right = sum(case.agrees for case in cases[name])
        print(f"{name:<28}{right:>5} of {len(cases[name])}", flush=True)
    outcome = _outcome(cases)
    print(_spell(outcome))
    if given.out is not None:
        given.out.write_text(json.dumps(outcome, indent=2) + "\n")
    return 0 if outcome["agreement"] >= TARGET and not outcome["wrong_merges"] else 1


def _outcome(cases: Mapping[str, list[Case]]) -> dict[str, Any]:
    every = [case for found in cases.values() for case in found]
    return {
        "configs": len(every),
        "agreement": sum(case.agrees for case in every) / len(every),
        "machines": {name: _agreement(found) for name, found in cases.items()},
        "rules": {rule: _agreement([case for case in every if case.rule == rule]) for rule in RULES},
        "mismatches": [_told(name, case) for name, found in cases.items() for case in found if not case.agrees],
        "wrong_merges": [
            [_told(name, one), _told(name, other)]
            for name, found in cases.items()
            for one, other in wrong_merges(found)
        ],
    }


def _agreement(cases: list[Case]) -> dict[str, int]:
    return {"configs": len(cases), "agree": sum(case.agrees for case in cases)}


def _told(machine: str, case: Case) -> dict[str, Any]:
    return {
        "machine": machine,
        "rule": case.rule,
        "config": case.config.to_dict(),
        "predicted": case.predicted,
        "observed": case.observed,
    }


def _spell(outcome: Mapping[str, Any]) -> str:
    lines = [f"{rule:<28}{found['agree']:>5} of {found['configs']}" for rule, found in outcome["rules"].items()]
    lines += [f"mismatch: {json.dumps(found)}" for found in outcome["mismatches"]]
    lines += [f"merged wrongly: {json.dumps(pair)}" for pair in outcome["wrong_merges"]]
    return "\n".join([*lines, f"agreement {outcome['agreement']:.2%} of {outcome['configs']} configs"])


if __name__ == "__main__":
    sys.exit(main())
