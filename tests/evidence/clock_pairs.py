"""autotp's clock and benchmark_app's, in turn on the same requests of one compiled model in one process.

Both time what OpenVINO does with a request, so they have to say the same. Each block is run by autotp's driver, as
a worker runs it, and by the loop of OpenVINO's benchmark_app (`openvino.tools.benchmark`), in random order: what
the machine does meanwhile falls on both. JSON in on the command line, JSON out on standard output:

    in   {"model": "m.onnx", "shapes": {"x": [1, 3, 48, 320]}, "properties": {...}, "nireq": 4, "seconds": 0.3,
          "pairs": 60}
    out  {"autotp": [...], "benchmark_app": [...]}: inferences a second if there are several requests, with one
         request its median latency in seconds
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from openvino.tools.benchmark.benchmark import Benchmark

from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import make_samples
from autotp.runtime.inference.requests import create_requests
from autotp.runtime.models.model_files import locate

MEDIAN = 50


class SingleBatches:
    """What benchmark_app's loop asks for its data: batches of one."""

    def get_next_batch_size(self) -> int:
        """Return how many samples the next inference is of."""
        return 1


def run(asked: dict[str, Any]) -> dict[str, list[float]]:
    """Run all pairs of blocks; return the figures of both clocks."""
    workload, seconds = ClosedLoop(data_dependent=False, sample_count=1), asked["seconds"]
    plan = Plan(
        files=locate(Path(asked["model"])),
        shapes={name: tuple(shape) for name, shape in asked["shapes"].items()},
        properties=asked["properties"],
        nireq=asked["nireq"],
    )
    compiled = compile_plan(plan)
    driver = workload.driver(compiled)
    samples = make_samples(compiled.info, workload.seed, None, 1)
    requests = create_requests(compiled, samples.driven)
    is_sync = plan.nireq == 1
    theirs = Benchmark("CPU", plan.nireq, None, seconds, "sync" if is_sync else "async", True)
    theirs.duration_seconds = seconds  # it takes whole seconds only on its command line

    def by_autotp() -> float:
        block = driver.block(Run(duration_s=seconds))
        return float(np.median(block.latencies_s)) if is_sync else block.count / block.elapsed_s

    def by_benchmark_app() -> float:
        queue = requests.requests if is_sync else requests.queue
        per_s, median_ms, *_ = theirs.main_loop(queue, SingleBatches(), [1], MEDIAN, False)
        return float(median_ms) / 1e3 if is_sync else float(per_s)

    clocks: dict[str, Callable[[], float]] = {"autotp": by_autotp, "benchmark_app": by_benchmark_app}
    found: dict[str, list[float]] = {name: [] for name in clocks}
    for clock in clocks.values():
        clock()
    for _ in range(asked["pairs"]):
        for name in random.sample(list(clocks), len(clocks)):
            found[name].append(clocks[name]())
    return found


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
