"""Three arms while a CPU hog comes and goes: autotp finds the ranking or a tie, but never a wrong ranking.

The arms run the same config on three models of 20, 22 and 24 equal layers, each 10 % more than the one before, so
the ranking is known from the models; by how much they differ (less: an inference has a fixed cost) is measured
once in calm weather. Then a process that burns one core comes and goes at random, for seconds, during each of
twenty races. A race is what decides a tuning, its finals: fresh processes of all three arms in waves, within the
grace that a tuning gives them, ruled on as there, with the middle and then the slowest as the baseline. The search
before them isn't raced here.

    python -m tests.evidence.measure_storms [--races 20] [--seconds 80] [--out FILE]

Exit 0: the calm race found the ranking, no race ruled that a slower arm wins, and each came to a ruling. Exit 1:
one of them isn't so.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from autotp.findings.interval import REPORTED_CONFIDENCE
from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring.lock import machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.waves import GRACE, RoundCounts, Waves, plan_waves
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.samples.statistics import MIN_PROCESSES, t_interval
from autotp.measuring.verdict import Candidate, Measured, judge
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.config import Config
from tests.support.models import layered_model

LAYERS = {"fast": 20, "middle": 22, "slow": 24}
PROPERTIES = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
HOG = "import os, sys\nos.sched_setaffinity(0, [int(sys.argv[1])])\nwhile True: pass"
MEAN_SPELL_S = 1.5
START_S = 1.0  # of a wave, to begin with


@contextmanager
def storm(seed: int) -> Iterator[None]:
    """Burn one core now and then, by and for a second and a half on average."""
    done, rng, cpu = threading.Event(), random.Random(seed), min(os.sched_getaffinity(0))

    def blow() -> None:
        while not done.wait(rng.expovariate(1 / MEAN_SPELL_S)):
            with subprocess.Popen([sys.executable, "-c", HOG, str(cpu)]) as hog:
                done.wait(rng.expovariate(1 / MEAN_SPELL_S))
                hog.kill()

    thread = threading.Thread(target=blow)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def race(workers: Workers, models: Mapping[str, Path], seconds: float, seed: int) -> dict[str, Any]:
    """Race the three arms and rule twice: on those above the middle, and above the slowest."""
    rulings, gains, repeats = {}, {}, {}
    for baseline in ("middle", "slow"):
        waves = _run_waves(workers, models, baseline, seconds / 2, seed)
        others = [name for name in models if name != baseline]
        candidates = [
            Candidate(key=name, config=Config(), log_gains={baseline: waves.log_gains(name, baseline)})
            for name in others
        ]
        verdict = judge(
            candidates,
            best_baseline=baseline,
            must_beat=[baseline],
            baseline_keeps=True,
            noise_floor=waves.noise_floor,
            metric=METRICS["throughput"],
            measured=Measured(len(waves.waves), waves.fewest_samples),
        )
        rulings[baseline] = verdict.winner.key if verdict.winner else str(verdict.ruling)
        for name in others:
            gain = t_interval(waves.log_gains(name, baseline), REPORTED_CONFIDENCE)
            gains[f"{name} over {baseline}"] = [round(x, 4) for x in (gain.median, gain.low, gain.high)]
        repeats[baseline] = vars(waves.repeats)
    return {"rulings": rulings, "gains": gains, "patience": repeats}


def _run_waves(workers: Workers, models: Mapping[str, Path], baseline: str, seconds: float, seed: int) -> Waves:
    waves = Waves(_makers(workers, models), baseline, METRICS["throughput"], BlockSettings(), seed)
    block_s = BlockSettings().duration_s * 1.3  # with the lead-in and the drain
    schedule = plan_waves(seconds, len(models) + 1, START_S, block_s, RoundCounts.of(BlockSettings()))
    began = monotonic()
    waves.run(schedule, began + seconds, began + GRACE * seconds, lambda: None)
    return waves


def _makers(workers: Workers, models: Mapping[str, Path]) -> dict[str, Callable[[], Arm]]:
    def maker(path: Path) -> Callable[[], Arm]:
        plan = Plan(files=locate(path), shapes={}, properties=PROPERTIES)
        return lambda: WorkerArm(ArmSpec(plans=(plan,), workload=ClosedLoop()), workers)

    return {name: maker(path) for name, path in models.items()}


def is_wrong(found: Mapping[str, Any]) -> bool:
    """Whether an arm was ruled the winner that isn't the fastest."""
    return any(winner in LAYERS and winner != "fast" for winner in found["rulings"].values())


def is_found(found: Mapping[str, Any]) -> bool:
    """Whether the fastest won over both others, and the middle's median lies above that of the slowest."""
    (middle, _, _), (fast, _, _) = found["gains"]["middle over slow"], found["gains"]["fast over slow"]
    return all(winner == "fast" for winner in found["rulings"].values()) and fast > middle > 1.0


def holds(outcome: Mapping[str, Any]) -> bool:
    """Whether the calm race found the ranking, and those in storms found it or a tie."""
    return is_found(outcome["calm"]) and not outcome["wrong_wins"] and not outcome["unknown"]


def run(races: int, seconds: float) -> dict[str, Any]:
    """Race in calm weather once, then in storms."""
    lock = machine_lock(
        "tests.evidence.measure_storms", False, lambda holder: print("waiting for", holder, flush=True)
    )
    with tempfile.TemporaryDirectory() as folder, lock, Workers() as workers:
        models = {name: layered_model(Path(folder), name, layers) for name, layers in LAYERS.items()}
        sleep(2.0)
        calm = race(workers, models, seconds, seed=0)
        print("calm", json.dumps(calm), flush=True)
        stormy = []
        for seed in range(1, races + 1):
            with storm(seed):
                stormy.append(race(workers, models, seconds, seed))
            print(seed, json.dumps(stormy[-1]), flush=True)
    return {
        "races": races,
        "seconds_a_race": seconds,
        "processes_at_least": MIN_PROCESSES,
        "ranking_found": sum(map(is_found, stormy)),
        "right_wins": _count(stormy, "fast"),
        "wrong_wins": sum(map(is_wrong, stormy)),
        "ties": _count(stormy, Ruling.TIE),
        "unknown": _count(stormy, Ruling.UNKNOWN),
        "calm": calm,
        "storms": stormy,
    }


def _count(races: Sequence[Mapping[str, Any]], ruling: str) -> int:
    return sum(found == ruling for race in races for found in race["rulings"].values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Race, write the JSON, print the summary."""
    parser = argparse.ArgumentParser(description="Race three arms beside a CPU hog that comes and goes.")
    parser.add_argument("--races", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=80.0, help="of a race (80)")
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    chosen = parser.parse_args(arguments)
    outcome = run(chosen.races, chosen.seconds)
    if chosen.out:
        chosen.out.write_text(json.dumps(outcome, indent=1) + "\n")
    print({key: value for key, value in outcome.items() if not isinstance(value, dict | list)})
    return 0 if holds(outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
