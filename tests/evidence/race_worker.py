"""One arm of the race: compiles one model with one configuration and answers timed blocks over pipes.

The judge of `race_grid.py` must not share code with what it judges, so this knows plain OpenVINO only. One
process holds one arm because threads, masks and pinning belong to a process: two configurations in one
process disturb each other. JSON lines in, JSON lines out; the first line in is the arm, each next one asks
for a block, the end of the input ends the process.

    in   {"model": "m.onnx", "shapes": {"x": [1, 3, 48, 320]}, "properties": {"NUM_STREAMS": "2"},
          "nireq": 4 or null, "cpus": [0, 1] or null, "seed": 0}
    out  {"requests": 4, "streams": 2, "threads": 2, "precision": "f32", "cpu": "...", "openvino": "..."}
    in   {"seconds": 0.04}
    out  {"count": 12, "elapsed_s": 0.0413}

The arm may name a file of samples ("samples": "data.npz", arrays with a leading dimension). A block is then
`{"passes": 3}`: so many passes over them, one sample for each inference, in the order of the file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import IO, Any

import numpy as np


def main() -> int:
    """Serve blocks until the input ends."""
    replies = _take_stdout()
    arm = json.loads(sys.stdin.readline())
    if arm["cpus"]:
        # OpenVINO reads the mask once, when the first Core is made, and from the main thread.
        os.sched_setaffinity(0, arm["cpus"])
    compiled, facts = compile_arm(arm)
    queue = fill_queue(compiled, arm)
    samples = read_samples(arm["samples"]) if arm.get("samples") else []
    _reply(replies, {"requests": len(queue), **facts})
    for line in sys.stdin:
        block = json.loads(line)
        if samples:
            count, elapsed_s = run_passes(queue, samples, block["passes"])
        else:
            count, elapsed_s = run_block(queue, block["seconds"])
        _reply(replies, {"count": count, "elapsed_s": elapsed_s})
    return 0


def compile_arm(arm: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The compiled model and what OpenVINO says of it."""
    import openvino

    core = openvino.Core()
    model = core.read_model(arm["model"])
    if arm["shapes"]:
        model.reshape(arm["shapes"])
    compiled = core.compile_model(model, "CPU", arm["properties"])
    return compiled, {
        "streams": compiled.get_property("NUM_STREAMS"),
        "threads": compiled.get_property("INFERENCE_NUM_THREADS"),
        "precision": compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
        "cpu": core.get_property("CPU", "FULL_DEVICE_NAME"),
        "openvino": openvino.__version__,
    }


def fill_queue(compiled: Any, arm: dict[str, Any]) -> Any:
    """A queue of `nireq` requests (null: OpenVINO's optimum), each with inputs of its own, run once."""
    import openvino

    queue = openvino.AsyncInferQueue(
        compiled, arm["nireq"] or compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    )
    generator = np.random.default_rng(arm["seed"])
    for request in queue:
        for port in compiled.inputs:
            data = request.get_tensor(port).data
            if np.issubdtype(data.dtype, np.floating):
                data[...] = generator.random(data.shape)
            else:
                data[...] = generator.integers(0, 2, data.shape)
    for _ in range(len(queue)):
        queue.start_async()
    queue.wait_all()
    return queue


def read_samples(path: str) -> list[dict[str, Any]]:
    """Return the inputs of each sample as tensors."""
    import openvino

    with np.load(path) as arrays:
        stacked = dict(arrays)
    count = len(next(iter(stacked.values())))
    return [
        {name: openvino.Tensor(array[index].copy()) for name, array in stacked.items()} for index in range(count)
    ]


def run_passes(queue: Any, samples: list[dict[str, Any]], passes: int) -> tuple[int, float]:
    """Run every sample `passes` times: the inferences and their time, drain included.

    Tensors are set, not copied. A single request runs without the queue, where it would idle in between.
    """
    is_single = len(queue) == 1
    start = time.perf_counter()
    for _ in range(passes):
        for sample in samples:
            request = queue[0 if is_single else queue.get_idle_request_id()]
            for name, tensor in sample.items():
                request.set_tensor(name, tensor)
            if is_single:
                request.infer(share_outputs=True)
            else:
                queue.start_async()
    queue.wait_all()
    return passes * len(samples), time.perf_counter() - start


def run_block(queue: Any, seconds: float) -> tuple[int, float]:
    """Keep all requests in flight for `seconds`: the inferences done and their time, drain included."""
    requests = len(queue)
    count = 0
    start = time.perf_counter()
    deadline = start + seconds
    while time.perf_counter() < deadline or count % requests:
        queue.start_async()
        count += 1
    queue.wait_all()
    return count, time.perf_counter() - start


def _take_stdout() -> IO[str]:
    # A library that prints must not end up between the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def _reply(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())
