"""Compares predicted effective configs with what the real OpenVINO makes of them on pretended machines.

    python -m tests.evidence.sweep_effective [--configs 100] [--out FILE] [MACHINE ...]

On each machine the configs are drawn rule by rule, so that every rule is met often. What decides is counted by
the kernel, not echoed by a property: the threads of the process, from which follow those of the streams and
sub-streams. TBB now and then starts a worker too many or too few, so a config is observed in three processes, or
in nine where these don't agree with the prediction, and the median counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Identity, Predictor
from autotp.space.cpu_plugin.streams import Streams
from autotp.space.knobs.config import Config
from autotp.space.limits.affinity import affinity
from autotp.topology.probe import Topology, probe
from tests.support import rig
from tests.support.effective_configs import MACHINES, RULES, draw_configs
from tests.support.models import wide_model
from tests.support.trees import Described, build

OBSERVATIONS = 3
TARGET = 0.98
TIMEOUT_S = 600

LEARNED = Config.of({"performance_hint": "throughput"})  # shows how many threads per stream the model gets


Seen = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One config of one rule: what was predicted, and what OpenVINO made of it in each process."""

    rule: str
    config: Config
    predicted: Mapping[str, object]
    seen: tuple[Seen, ...]
    identity: Identity

    @property
    def observed(self) -> Seen:
        """What was mostly seen: the median of the threads that the kernel counted; an error if there was one."""
        for one in self.seen:
            if "error" in one:
                return one
        return {**self.seen[0], "tasks": statistics.median_low(one["tasks"] for one in self.seen)}

    @property
    def agrees(self) -> bool:
        """Whether all that was predicted came true."""
        return self.predicted == self.observed

    @property
    def reported_as_predicted(self) -> bool:
        """Whether what OpenVINO itself reports, all but the kernel's count, came true."""
        return all(self.predicted[key] == self.observed.get(key) for key in ("streams", "threads", "pinned"))


def sweep(described: Described, count: int, folder: Path, seed: int = 0) -> list[Case]:
    """Predict and observe `count` configs of a pretended machine, doubtful ones more often, in `folder`."""
    cases = predict_and_observe(described, count, folder, OBSERVATIONS, seed)
    topology = probe(folder / "tree")
    doubtful = [index for index, case in enumerate(cases) if not case.agrees]
    asked = [cases[index].config for index in doubtful]
    for index, more in zip(doubtful, _observe(described, topology, asked, folder, 2 * OBSERVATIONS), strict=True):
        cases[index] = replace(cases[index], seen=cases[index].seen + more)
    return cases


def predict_and_observe(described: Described, count: int, folder: Path, times: int, seed: int = 0) -> list[Case]:
    """Predict `count` configs on a pretended machine and observe each in so many processes."""
    topology = probe(build(described, folder / "tree"))
    drawn = draw_configs(topology, count, seed)
    predictor = Predictor(topology)
    ((hint,),) = _observe(described, topology, [LEARNED], folder, 1)
    learned = Effective(streams=hint["streams"], threads=hint["threads"])
    model_threads = predictor.model_threads(LEARNED, learned)
    seen = _observe(described, topology, [config for _, config in drawn], folder, times)
    return [
        Case(rule, config, _predict(predictor, config, model_threads), seen[index], predictor.identity(config))
        for index, (rule, config) in enumerate(drawn)
    ]


def _predict(predictor: Predictor, config: Config, model_threads: tuple[int, ...]) -> dict[str, object]:
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
) -> list[tuple[Seen, ...]]:
    """What OpenVINO makes of each config in each of several processes."""
    asked = [
        {
            "mask": (affinity(config, topology.machine, topology.envelope) or (None,))[0],
            "properties": config.properties(),
        }
        for config in configs
    ]
    given = {"model": str(wide_model(folder)), "configs": asked * times}
    argv = rig.command(described, (sys.executable, "-m", "tests.evidence.effective_worker"), shim=True, tmp=folder)
    done = subprocess.run(argv, input=json.dumps(given), capture_output=True, text=True, timeout=TIMEOUT_S)
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    if len(seen) != len(configs) * times:
        raise RuntimeError(f"the observer ended early: {done.stderr}")
    return [tuple(seen[index :: len(configs)]) for index in range(len(configs))]


def wrong_merges(cases: list[Case]) -> Iterator[tuple[Case, Case]]:
    """Yield pairs of configs that would be merged though OpenVINO was never seen to treat them alike."""
    first: dict[Identity, Case] = {}
    for case in cases:
        known = first.setdefault(case.identity, case)
        if not any(one == other for one in known.seen for other in case.seen):
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
        "reported_agreement": sum(case.reported_as_predicted for case in every) / len(every),
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
    told = f"agreement {outcome['agreement']:.2%} of {outcome['configs']} configs"
    return "\n".join([*lines, f"{told}, {outcome['reported_agreement']:.2%} by what OpenVINO reports alone"])


if __name__ == "__main__":
    sys.exit(main())
