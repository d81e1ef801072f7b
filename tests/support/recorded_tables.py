"""Made-up recorded tables, for tests of their replay."""

import random
from collections.abc import Mapping
from itertools import product
from math import exp

from autotp.findings.metric import METRICS
from tests.evidence.replays.recorded import Process, RecordedTable, Row, Settings

HINTS = ({"performance_hint": "throughput"}, {"performance_hint": "latency"})
RATE = 100.0  # of the best hint, per second


def table_of(
    gain: Mapping[tuple[int, int], float] | None = None,
    metric: str = "throughput",
    noise: float = 0.02,
    processes: int = 4,
    rounds: int = 10,
    seed: int = 0,
) -> RecordedTable:
    """Return a table of 8 by 6 configs; `gain` gives those of some, by streams and threads, others have 0.8 to 1.

    Args:
        gain: the gain over the best hint, by streams and threads.
        metric: the objective.
        noise: the standard deviation of a block's log-gain; that of a process is a fifth of it.
        processes: how many each config has.
        rounds: how many blocks each of them has.
        seed: of the noise.
    """
    rng, objective, known = random.Random(seed), METRICS[metric], gain or {}
    rows = []
    for streams, threads in product(range(1, 9), range(1, 7)):
        settings: Settings = {"num_streams": streams, "inference_num_threads": threads}
        of_row = known.get((streams, threads), 1.0 - 0.2 * rng.random())
        made = tuple(_process(rng, objective.improved(RATE, of_row), noise, rounds) for _ in range(processes))
        rows.append(Row(settings=settings, began="2026-01-01T00:00:00", processes=made))
    hints = tuple(
        Row(settings=hint, began="2026-01-01T00:00:00", processes=(_process(rng, RATE, share * noise, rounds),))
        for hint, share in zip(HINTS, (0.0, 1.0), strict=True)
    )
    failed = Row(settings={"num_streams": 64}, began="2026-01-01T00:00:00", invalidity="runtime")
    return RecordedTable(model="made_up", metric=objective, hints=hints, rows=(*rows, failed))


def _process(rng: random.Random, value: float, noise: float, rounds: int) -> Process:
    of_process = rng.gauss(0.0, noise / 5)
    return Process(
        start_s=0.25,
        compile_s=0.125,
        values=tuple(value * exp(of_process + rng.gauss(0.0, noise)) for _ in range(rounds)),
        baseline=(RATE,) * rounds,
        block_s=(0.0625,) * rounds,
    )
