"""What proposing costs as a study grows: a thousand trials in SQLite, in a space of many effective configs.

    python -m tests.evidence.measure_proposing [--trials 1000] [--out FILE]

The trials are proposed and completed one after the other by the code that a tuning uses, with made-up values, on
a pretended machine of two sockets. Proposing is all of `Study.propose`: asking Optuna, choosing, writing the
trial. Exit 0: at the end it takes at most 100 ms in the mean, and all of it at most 2 % of the time that so many
trials take, at three seconds each. Exit 1: it takes longer.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import optuna

from autotp.measuring.samples.block import Block
from autotp.space.bound_space import bind
from autotp.space.schema.space_file import parse_space
from autotp.topology.probe import probe
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.study.optuna_study import OptunaStudy
from tests.evidence.outcomes import keep
from tests.support.models import matmul_model
from tests.support.trees import Described, build
from tests.support.tune_requests import built

MACHINE = Described(sockets=2, cores_per_node=48)
KNOBS = {
    "num_streams": ["default", *range(1, 49)],
    "inference_num_threads": ["default", *range(8, 97, 8)],
    "nireq": {"multiple_of": "num_streams", "by": [1, 2, 4]},
    "inference_precision_hint": ["default", "f32"],
    "enable_cpu_pinning": ["default", False],
}
ROUNDS = 10
MOST_S = 0.1
TRIAL_S = 3.0  # a trial with its start and its blocks: the committed tunings of two minutes have 13 in a minute
MOST_SHARE = 0.02
STEP = 100


def propose(folder: Path, trials: int) -> tuple[int, list[float]]:
    """Return how many effective configs there are, and the seconds that each of so many proposals took."""
    space = bind(parse_space({"knobs": KNOBS}, "many"), probe(build(MACHINE, folder / "machine")))
    request = built(matmul_model(folder), out=folder / "study")
    request.out.mkdir()
    proposer = SpaceProposer(space, 0)
    study, rng = OptunaStudy.open(request, {}, proposer), random.Random(0)
    rows = [(0, n, Block(count=10, elapsed_s=0.05, latencies_s=(0.005,) * 10)) for n in range(ROUNDS)]
    took_s = []
    for _ in range(trials):
        began = perf_counter()
        trial, config = study.propose()
        took_s.append(perf_counter() - began)
        proposer.take(config)
        streams = config.get("num_streams")
        rate = 100.0 - abs((streams if isinstance(streams, int) else 1) - 17) + rng.gauss(0.0, 1.0)
        study.complete(trial, {"throughput_per_s": rate}, rows)
    return len(space.merged.rows), took_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Propose, and print and keep how long that took."""
    parser = argparse.ArgumentParser(description="Measure what proposing costs.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        configs, took_s = propose(Path(folder), chosen.trials)
    parts = [took_s[start : start + STEP] for start in range(0, len(took_s), STEP)]
    growth = [
        {
            "trials": min(len(took_s), (number + 1) * STEP),
            "mean_s": round(float(np.mean(part)), 4),
            "p95_s": round(float(np.quantile(part, 0.95)), 4),
            "longest_s": round(max(part), 4),
        }
        for number, part in enumerate(parts)
    ]
    share = sum(took_s) / (len(took_s) * TRIAL_S)
    keep({"effective_configs": configs, "growth": growth, "share_of_the_time": round(share, 4)}, chosen.out)
    return 0 if float(np.mean(parts[-1])) <= MOST_S and share <= MOST_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
