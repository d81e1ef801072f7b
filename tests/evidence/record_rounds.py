"""Real rounds of arms that don't differ, recorded for the simulated races to resample.

Invented noise is simpler than a machine's: real rounds drift, stall and are correlated with the round before,
and real processes differ although they do the same. So the same config runs as several arms, each in a process of
its own, in waves of fresh processes, by the same code that a tuning uses. Whatever differs between these arms is
noise.

    python -m tests.evidence.record_rounds rec --out results/reference/rounds/rec.npz

The .npz holds `counts`, `elapsed_s` [waves, rounds, arms], `latencies_s` [waves, rounds, arms, 10] (the middles of
the tenths of each block's latencies), `ended_s` [waves, rounds] (since the first wave's start), `arm_start_s` (of
one arm, the median over waves), `block_s` and `model`. Record on a machine left alone.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from autotp.measuring.failure import ArmFailure
from autotp.measuring.lock import machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.runtime.compile import Plan
from autotp.runtime.models.demo import build_demo_model
from autotp.runtime.models.model_files import locate
from tests.support.real_models import NAMES, real_model

MODELS = (*NAMES, "demo")
ARMS, WAVES, ROUNDS = 6, 16, 60
LONGEST_BLOCK_S = 1.0  # as with the default budget
TENTHS = (np.arange(10) + 0.5) / 10

Recorded = dict[str, npt.NDArray[Any]]


class Wave(msgspec.Struct, frozen=True):
    """The rounds of one set of processes, how they were started, and when each round ended."""

    rounds: list[dict[int, Block]]
    start_s: float
    ended_s: list[float]


def hint_spec(model: str, folder: Path) -> ArmSpec:
    """Return what every arm does: `model` as OpenVINO's THROUGHPUT hint has it."""
    if model == "demo":
        path, shapes = build_demo_model(folder), {}
    else:
        real = real_model(model)
        path, shapes = real.path, {real.input_name: real.shape}
    plan = Plan(files=locate(path), shapes=shapes, properties={"PERFORMANCE_HINT": "THROUGHPUT"})
    return ArmSpec(plans=(plan,), workload=ClosedLoop())


def record(workers: Workers, spec: ArmSpec, arms: int, waves: int, rounds: int, seed: int) -> Recorded:
    """Run the waves and return the tables."""
    rng, began = random.Random(seed), monotonic()
    blocks = _fitted(workers, spec)
    done: list[Wave] = []
    for number in range(waves):
        done.append(_wave(workers, spec, blocks, arms, rounds, rng))
        print(f"{number + 1} of {waves} waves, {monotonic() - began:.0f} s", file=sys.stderr)
    return _tables(done, began, blocks)


def _fitted(workers: Workers, spec: ArmSpec) -> BlockSettings:
    """Return blocks of the length that a race would give them."""
    arm = WorkerArm(spec, workers)
    try:
        _start([arm])
        block = BlockSettings().first_look.run(arm)
        return BlockSettings().fit(arm.turn_s(block), LONGEST_BLOCK_S)
    finally:
        arm.stop()


def _start(arms: list[Arm]) -> None:
    for failure in start_together(arms).values():
        raise failure


def _wave(
    workers: Workers, spec: ArmSpec, blocks: BlockSettings, arms: int, rounds: int, rng: random.Random
) -> Wave:
    made: dict[int, Arm] = {number: WorkerArm(spec, workers) for number in range(arms)}
    began, repeats = monotonic(), RepeatLimit()
    try:
        _start(list(made.values()))
        wave = Wave([], monotonic() - began, [])
        for _ in range(rounds):
            results = run_round({str(number): arm for number, arm in made.items()}, blocks, rng, repeats)
            wave.rounds.append({int(number): _sound(result) for number, result in results.items()})
            wave.ended_s.append(monotonic())
    finally:
        stop_all(made.values())
    return wave


def _sound(result: Block | ArmFailure) -> Block:
    if isinstance(result, ArmFailure):
        raise result
    return result


def _tables(waves: list[Wave], began: float, blocks: BlockSettings) -> Recorded:
    table = [[[round_[arm] for arm in sorted(round_)] for round_ in wave.rounds] for wave in waves]
    each = [[[np.quantile(block.latencies_s, TENTHS) for block in row] for row in wave] for wave in table]
    arms = len(table[0][0])
    return {
        "counts": np.array([[[b.count for b in row] for row in wave] for wave in table], dtype=np.int32),
        "elapsed_s": np.array([[[b.elapsed_s for b in row] for row in wave] for wave in table]),
        "latencies_s": np.array(each, dtype=np.float32),
        "ended_s": np.array([wave.ended_s for wave in waves]) - began,
        "arm_start_s": np.array(np.median([wave.start_s for wave in waves]) / arms),
        "block_s": np.array(blocks.duration_s),
    }


def main(arguments: list[str] | None = None) -> int:
    """Record one model's rounds."""
    parser = argparse.ArgumentParser(description="Record rounds of arms that don't differ.")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    parser.add_argument("--arms", type=int, default=ARMS)
    parser.add_argument("--waves", type=int, default=WAVES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    lock = machine_lock(
        "tests.evidence.record_rounds", False, lambda holder: print("waiting for", holder, file=sys.stderr)
    )
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder, lock, Workers() as workers:
        spec = hint_spec(chosen.model, Path(folder))
        found = record(workers, spec, chosen.arms, chosen.waves, chosen.rounds, chosen.seed)
    np.savez_compressed(chosen.out, allow_pickle=False, model=np.array(chosen.model), **found)
    rates = found["counts"] / found["elapsed_s"]
    print(f"{chosen.out}: {chosen.out.stat().st_size} bytes, median {np.median(rates):.5g} inferences a second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
