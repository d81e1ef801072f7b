"""The open loop's latencies are those of an M/D/1 queue: Poisson arrivals, one server that always takes as long.

    python -m tests.evidence.check_queue [--out results/reference/queue.json]

At 10 % of what one thread can serve the mean latency is hardly more than a service, at 80 % it's three of them
(Pollaczek and Khinchine: s (1 + u / (2 (1 - u)))). Each run has 200 arrivals of another seed; the service is read
off the tenth of the inferences that were quickest, which found the queue empty. What neighbours on this CPU take
makes waits longer, so the interval over runs has some room.

Exit 0: both intervals of measured over theory overlap 0.8 to 1.25. Exit 1: one doesn't.
"""

import argparse
import sys
import tempfile
from math import log
from pathlib import Path
from statistics import fmean, median
from typing import Any

from autotp.measuring.lock import machine_lock
from autotp.measuring.samples.statistics import t_interval
from autotp.measuring.workload.arrivals import Arrivals, drive_open
from autotp.measuring.workload.turns import drive
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import Requests, create_requests
from autotp.runtime.models.model_files import locate
from tests.evidence.outcomes import keep
from tests.support.models import wide_model

ARRIVALS = 200
CONFIDENCE = 0.95
RUNS = 10
UTILIZATIONS = (0.1, 0.8)
ROOM = (0.8, 1.25)
PROPERTIES = {
    "NUM_STREAMS": "1",
    "INFERENCE_NUM_THREADS": "1",
    "INFERENCE_PRECISION_HINT": "f32",
    "ENABLE_CPU_PINNING": "NO",  # it may evade a neighbour
}


def served_by_one_thread(folder: Path) -> Requests:
    """One request of a model that takes a millisecond or two, the same each time."""
    model = locate(wide_model(folder, rows=512, width=512))
    compiled = compile_plan(Plan(files=model, shapes={}, properties=PROPERTIES, nireq=1))
    return create_requests(compiled, seeded_samples(compiled.info, 0, 1))


def theory_s(utilization: float, service_s: float) -> float:
    """The mean latency of an M/D/1 queue."""
    return service_s * (1 + utilization / (2 * (1 - utilization)))


def over_theory(served: Requests, utilization: float, seed: int) -> float:
    """The mean latency at this share of what can be served, over that of the queue."""
    rate_per_s = utilization / median(drive(served, one_at_a_time=False, duration_s=0.2)[2])
    _, _, latencies_s = drive_open(served, Arrivals.poisson(rate_per_s, ARRIVALS / rate_per_s, 0.0, seed))
    service_s = sorted(latencies_s)[len(latencies_s) // 10]
    return fmean(latencies_s) / theory_s(min(0.95, service_s * rate_per_s), service_s)


def check() -> dict[str, Any]:
    """Measure at each utilization; all that is written down."""
    found: dict[str, Any] = {"command": "python -m tests.evidence.check_queue", "at": []}
    with tempfile.TemporaryDirectory() as folder:
        served = served_by_one_thread(Path(folder))
        for utilization in UTILIZATIONS:
            ratios = [over_theory(served, utilization, seed) for seed in range(RUNS)]
            interval = t_interval([log(ratio) for ratio in ratios], CONFIDENCE)
            found["at"].append(
                {
                    "utilization": utilization,
                    "measured_over_theory": interval.median,
                    "interval": [interval.low, interval.high],
                    "runs": ratios,
                }
            )
    return found


def holds(found: dict[str, Any]) -> bool:
    """Whether what was measured is what theory says, within the room."""
    return all(low <= ROOM[1] and high >= ROOM[0] for low, high in (one["interval"] for one in found["at"]))


def main() -> int:
    """Measure alone on the machine, print and keep the outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    given = parser.parse_args()
    with machine_lock(
        "tests.evidence.check_queue", False, lambda holder: print("waiting for", holder, file=sys.stderr)
    ):
        found = check()
    keep(found, given.out)
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
