"""What the real OpenVINO makes of configs, each in a forked process of its own; `tests.evidence.sweep_effective`
runs it.

Standard input: JSON `{"model": path, "configs": [{"mask": [cpu, …] | null, "properties": {…}}, …]}`. Standard
output: for each config a JSON line with what OpenVINO reports (`streams`, `threads`, `pinned`), and `tasks`, the
threads that the kernel lists for the process once every stream has inferred; or `error`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

SETTLED = 20  # rounds without a new thread: TBB starts its workers one by one, when there is work


def main() -> None:
    """Observe every config of standard input."""
    given = json.load(sys.stdin)
    for config in given["configs"]:
        print(_in_a_fork(given["model"], config), flush=True)


def _in_a_fork(model: str, config: dict[str, Any]) -> str:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, json.dumps(_observe(model, config)).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours) as answer:  # noqa: PTH123
        text = answer.read()
    _, status = os.waitpid(child, 0)
    return text or json.dumps({"error": f"the process ended with status {status}"})


def _observe(model: str, config: dict[str, Any]) -> dict[str, Any]:
    if config["mask"] is not None:
        os.sched_setaffinity(0, config["mask"])
    try:
        compiled = ov.Core().compile_model(model, "CPU", config["properties"])
    except RuntimeError as error:
        return {"error": str(error)}
    requests = ov.AsyncInferQueue(compiled, compiled.get_property("NUM_STREAMS"))
    row = np.ones(compiled.input(0).shape, dtype=np.float32)
    tasks, settled = 0, 0
    while settled < SETTLED:
        for _ in range(2 * len(requests)):
            requests.start_async({0: row})
        requests.wait_all()
        before, tasks = tasks, len(list(Path("/proc/self/task").iterdir()))
        settled = settled + 1 if tasks == before else 0
    return {
        "streams": compiled.get_property("NUM_STREAMS"),
        "threads": compiled.get_property("INFERENCE_NUM_THREADS"),
        "pinned": compiled.get_property("ENABLE_CPU_PINNING"),
        "tasks": tasks,
    }


if __name__ == "__main__":
    main()
