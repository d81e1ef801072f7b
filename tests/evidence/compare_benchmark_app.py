"""Does `autotp measure` agree with OpenVINO's own benchmark_app, on models from 50 µs to 50 ms?

A clock that disagrees with the tool everyone knows is wrong until shown otherwise. Two things are compared:

- The clocks: autotp's driver and benchmark_app's loop run the same requests of one compiled model in one process,
  in turn, in short blocks (`clock_pairs.py`). Throughput is with four requests in flight, latency with one,
  synchronously. The median ratio of pairs has to be within 2 %.
- The tools, as people run them: whole commands in turn, twelve seconds each. Each run is a process of its own and
  far from the next, so on a shared machine their ratio is known to some percent, and its interval has to reach
  into 2 %.
  A run is long because benchmark_app's begins with its first inferences: in a new process those of the first two
  or three seconds took up to 7 % longer on one CPU, while `autotp measure` warms up before. And each may use all
  CPUs: on a single one, benchmark_app's own Python takes 3 % of a throughput of 7,000 a second.

    python -m tests.evidence.compare_benchmark_app --out results/reference/benchmark_app.json

Exit 0: both hold. Exit 1: one doesn't, or only one was run.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.evidence.outcomes import keep
from tests.evidence.race_grid import ratio_interval
from tests.support.models import matmul_model
from tests.support.real_models import real_model

MODELS = (TINY, CLASSIFIER, RECOGNISER, WIDE_RECOGNISER) = (
    "one layer",
    "PP-OCR classifier",
    "PP-OCRv4 recogniser",
    "PP-OCRv4 recogniser, wide",
)
MARGIN = 0.02
BLOCK_S = 0.3
WIDE_BLOCK_S = 1.5  # 50 ms inferences are few in a second
RUN_S = 12
START_UP_S = 120
OF_TOOLS = (CLASSIFIER, RECOGNISER)  # models that whole commands run
FLAGS = {
    "num_streams": "-nstreams",
    "nireq": "-nireq",
    "inference_num_threads": "-nthreads",
    "inference_precision_hint": "-infer_precision",
}
TINY_WIDTH = 960  # about 50 µs on one thread
WIDE = "x=[1,3,48,3200]"  # about 50 ms
KNOBS = {"inference_num_threads": "1", "inference_precision_hint": "f32", "num_streams": "1"}

Figures = dict[str, list[float]]  # of each tool or clock


@dataclass(frozen=True)
class Workload:
    """One way to drive a model: `api` is benchmark_app's, `metric` the figure that is compared."""

    name: str
    nireq: int
    api: str
    metric: str


WORKLOADS = (
    Workload("throughput", 4, "async", "throughput_per_s"),
    Workload("latency", 1, "sync", "latency_p50_s"),
)


@dataclass(frozen=True)
class Job:
    """A model, its shape as autotp's flag takes it, and how long blocks of it are."""

    name: str
    model: Path
    shape: str | None = None
    block_s: float = BLOCK_S


def jobs(folder: Path) -> tuple[Job, ...]:
    """The models, the quickest first; the one that is built here is written into `folder`."""
    rec, cls = real_model("rec"), real_model("cls")
    return (
        Job(TINY, matmul_model(folder, "tiny", TINY_WIDTH)),
        Job(CLASSIFIER, cls.path, shape=cls.shape_flag),
        Job(RECOGNISER, rec.path, shape=rec.shape_flag),
        Job(WIDE_RECOGNISER, rec.path, shape=WIDE, block_s=WIDE_BLOCK_S),
    )


def clock_pairs(job: Job, workload: Workload, pairs: int) -> Figures:
    """Figures of both clocks in one process."""
    shapes = dict([job.shape.split("=")]) if job.shape else {}
    asked = {
        "model": str(job.model),
        "shapes": {name: json.loads(shape) for name, shape in shapes.items()},
        "properties": {name.upper(): value for name, value in KNOBS.items()},
        "nireq": workload.nireq,
        "seconds": job.block_s,
        "pairs": pairs,
    }
    command = [sys.executable, "-m", "tests.evidence.clock_pairs", json.dumps(asked)]
    found: Figures = json.loads(_output(command, 2 * pairs * job.block_s).splitlines()[-1])
    return found


def tool_pairs(job: Job, workload: Workload, runs: int) -> Figures:
    """Figures of whole commands in turn, each first in every other pair."""
    precisions = input_precisions(job.model)
    found: Figures = {"autotp": [], "benchmark_app": []}
    for number in range(runs):
        measured = {"autotp": lambda: measure(job, workload)}
        measured["benchmark_app"] = lambda: benchmark(job, workload, precisions)
        for tool in list(measured) if number % 2 else reversed(measured):
            found[tool].append(measured[tool]())
        print(f"{job.name}, {workload.name}: {number + 1} of {runs} pairs", file=sys.stderr, flush=True)
    return found


def measure(job: Job, workload: Workload) -> float:
    """One run of `autotp measure`: its throughput over all its time, as benchmark_app's is, or its latency."""
    command = [_beside_python("autotp"), "measure", str(job.model), "--json", "--budget", f"{RUN_S}s"]
    command += ["--shape", job.shape] if job.shape else []
    for knob, value in {**KNOBS, "nireq": str(workload.nireq)}.items():
        command += ["--set", f"{knob}={value}"]
    answer = json.loads(_output(command, RUN_S))
    if workload.metric == "throughput_per_s":
        return float(answer["inferences"] / answer["measured_s"])
    return float(answer[workload.metric])


def benchmark(job: Job, workload: Workload, precisions: str) -> float:
    """One run of benchmark_app; `precisions` is the model's own, or it feeds pictures as bytes."""
    command = [_beside_python("benchmark_app"), "-m", str(job.model), "-d", "CPU", "-hint", "none"]
    command += ["-api", workload.api, "-t", str(RUN_S), "-iop", precisions]
    command += ["-shape", job.shape.replace("=", "", 1)] if job.shape else []
    for knob, value in {**KNOBS, "nireq": str(workload.nireq)}.items():
        command += [FLAGS[knob], value]
    text = _output(command, RUN_S)
    # The report it can write rounds to 0.01 ms, which is 2 % of a small model; below 1 ms the log doesn't.
    median = re.search(r"Median:\s+([\d.]+) (us|ms)", text)
    throughput = re.search(r"Throughput:\s+([\d.]+) FPS", text)
    if not (median and throughput):
        raise RuntimeError(f"benchmark_app gave no figures: {text[-500:]}")
    if workload.metric == "throughput_per_s":
        return float(throughput[1])
    return float(median[1]) * (1e-6 if median[2] == "us" else 1e-3)


def _beside_python(script: str) -> str:
    return str(Path(sys.executable).with_name(script))


def _output(command: list[str], seconds: float) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * seconds + START_UP_S
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def input_precisions(model: Path) -> str:
    """The model's input types as benchmark_app's `-iop` takes them, for example `x:f32`."""
    import openvino

    inputs = openvino.Core().read_model(model).inputs
    return ",".join(f"{port.any_name}:{port.element_type.get_type_name()}" for port in inputs)


def side_by_side(job: Job, workload: Workload, found: Figures) -> dict[str, Any]:
    """Medians of both, the median ratio of pairs, and their mean ratio with its interval."""
    ours, theirs = (np.array(found[name]) for name in ("autotp", "benchmark_app"))
    of_pairs = ratio_interval(ours, theirs)
    median = float(np.median(ours / theirs))
    return {
        "model": job.name,
        "shape": job.shape,
        "workload": workload.name,
        "benchmark_app_api": workload.api,
        "metric": workload.metric,
        **{name: {"median": float(np.median(values)), "values": values} for name, values in found.items()},
        "median_ratio_of_pairs": median,
        "ratio_of_pairs": of_pairs,
        "agrees": abs(median - 1) <= MARGIN,
        "may_agree": of_pairs["low"] <= 1 + MARGIN and of_pairs["high"] >= 1 - MARGIN,
    }


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run everything, and return what is written down."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        wanted = [job for job in jobs(Path(folder)) if chosen.only in (None, job.name)]
        clocks = [side_by_side(j, w, clock_pairs(j, w, chosen.pairs)) for j in wanted for w in WORKLOADS]
        of_tools = [job for job in wanted if job.name in OF_TOOLS]
        tools = [side_by_side(j, w, tool_pairs(j, w, chosen.runs)) for j in of_tools for w in WORKLOADS]
    return {
        "machine": {"cpu": openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")},
        "versions": {"openvino": openvino.__version__, "python": platform.python_version()},
        "knobs": KNOBS,
        "results": clocks,
        "tools": tools,
        "within_2_percent": agree_on_all(clocks, tools),
    }


def agree_on_all(clocks: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every model was run, the clocks agree, and the tools may."""
    complete = {row["model"] for row in clocks} == set(MODELS)
    return complete and all(row["agrees"] for row in clocks) and all(row["may_agree"] for row in tools)


def summary(outcome: Mapping[str, Any]) -> str:
    """Return the outcome as text."""
    lines = [f"{outcome['machine']['cpu']}: autotp over benchmark_app"]
    for what in ("results", "tools"):
        lines.append({"results": "clocks in one process", "tools": "whole commands"}[what])
        for row in outcome[what]:
            figures = f"{row['autotp']['median']:.6g} / {row['benchmark_app']['median']:.6g}"
            pairs = "{ratio:.3f} ({low:.3f} to {high:.3f})".format(**row["ratio_of_pairs"])
            name = f"{row['model']}, {row['workload']}"
            lines.append(f"  {name}: {figures}; of pairs, median {row['median_ratio_of_pairs']:.3f}, mean {pairs}")
    lines.append(f"within 2 % on all models: {'yes' if outcome['within_2_percent'] else 'NO'}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Compare, write the JSON, print the summary."""
    parser = argparse.ArgumentParser(description="Hold autotp measure against benchmark_app.")
    parser.add_argument("--pairs", type=int, default=60, help="of blocks of each workload (%(default)s)")
    parser.add_argument("--runs", type=int, default=8, help="pairs of whole commands (%(default)s)")
    parser.add_argument("--only", choices=MODELS, help="one of the models, which proves nothing of the others")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    chosen = parser.parse_args(arguments)
    if min(chosen.pairs, chosen.runs) < 2:
        parser.error("--pairs, --runs: an interval needs 2 or more.")
    outcome = run(chosen)
    keep(outcome, chosen.out)
    print(summary(outcome))
    return 0 if outcome["within_2_percent"] else 1


if __name__ == "__main__":
    sys.exit(main())
