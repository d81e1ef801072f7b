"""One configuration of one model in plain OpenVINO, answering timed bursts of single inferences over pipes.

The judge of a latency must not share code with what it judges; `race_worker.py`, which judges throughput, keeps
several requests in flight and reports rates only. JSON lines in, JSON lines out; the first line in is as
`race_worker.py` takes it, each next one asks for a burst, the end of the input ends the process.

    in   {"model": "m.onnx", "shapes": {"x": [1, 3, 48, 320]}, "properties": {...}, "cpus": [0, 1], "seed": 0}
    out  {"streams": 1, "threads": 2, "precision": "f32", "cpu": "...", "openvino": "..."}
    in   {"seconds": 1.0}
    out  {"latencies_s": [0.0091, ...]}
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

# Started as a script, Python looks beside it only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.evidence.race_worker import compile_arm


def main() -> int:
    """Serve bursts until the input ends."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library that prints must not end up between the replies
    arm = json.loads(sys.stdin.readline())
    if arm["cpus"]:
        os.sched_setaffinity(0, arm["cpus"])
    compiled, facts = compile_arm(arm)
    request = _filled_request(compiled, arm["seed"])
    print(json.dumps(facts), file=replies)
    for line in sys.stdin:
        print(json.dumps({"latencies_s": burst(request, json.loads(line)["seconds"])}), file=replies)
    return 0


def burst(request: Any, seconds: float) -> list[float]:
    """Infer one after the other for `seconds` by the wall clock; the seconds that each took."""
    latencies_s = []
    start = before = time.perf_counter()
    while before < start + seconds:
        request.infer(share_outputs=True)
        after = time.perf_counter()
        latencies_s.append(after - before)
        before = after
    return latencies_s


def _filled_request(compiled: Any, seed: int) -> Any:
    request = compiled.create_infer_request()
    generator = np.random.default_rng(seed)
    for port in compiled.inputs:
        data = request.get_tensor(port).data
        data[...] = generator.random(data.shape)
    return request


if __name__ == "__main__":
    sys.exit(main())
