"""Does `autotp measure` agree with OpenVINO's own benchmark_app, on models from 50 µs to 50 ms?

A clock that disagrees with the tool everyone knows is wrong until shown otherwise. The two run at the same time,
each on a CPU of its own, and then change places, so that what the machine does meanwhile and how its CPUs differ
falls on both. (In turn, four seconds each, sixteen pairs left an uncertainty of 3 to 4 % on a shared machine.)
They end at the same time, too: the one that starts faster begins later. Else the other has the machine to itself
in its last second or two, which made it 2.5 % faster.
What counts is the median ratio of pairs: on a shared machine latency doubles for some runs at a time, which
moves a mean, and the medians of the two tools apart. The ratios of pairs get a t-interval on the logarithm, too,
and more pairs are run until that is narrower than 1 % either way, up to a bound.

Two workloads of each model: throughput with four requests in flight, and latency with one request,
synchronously. What is compared is the same: benchmark_app's throughput is the mean of its run, so that of
`autotp measure` is taken as all inferences over all windows; both tools set their inputs once and take
OpenVINO's own latency of each request. A run takes four seconds: benchmark_app's includes its first inferences,
which on some CPUs make one second 2 to 4 % slower than four, while `autotp measure` warms up until the rate is
steady.

    python tests/evidence/compare_benchmark_app.py --out results/reference/benchmark_app.json

Exit 0: both workloads agree within 2 % on all models. Exit 1: they don't, or only one was run. `--again` judges
the runs that the JSON holds, without new ones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import geometric_mean
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

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
MOST_PAIRS = 12
START_UP_S = 120
FLAGS = {
    "num_streams": "-nstreams",
    "nireq": "-nireq",
    "inference_num_threads": "-nthreads",
    "inference_precision_hint": "-infer_precision",
}
TINY_WIDTH = 960  # about 50 µs on one thread
WIDE = "x=[1,3,48,3200]"  # about 50 ms
LONGER = 2  # times: 50 ms inferences are few in a second


@dataclass(frozen=True)
class Figures:
    """What one run of either tool says."""

    throughput_per_s: float
    latency_p50_s: float

    @classmethod
    def mean(cls, runs: Sequence[Figures]) -> Figures:
        """The geometric mean of each figure."""
        return cls(
            geometric_mean([run.throughput_per_s for run in runs]),
            geometric_mean([run.latency_p50_s for run in runs]),
        )


@dataclass(frozen=True)
class Workload:
    """One configuration driven one way: `api` is benchmark_app's, `metric` the figure that is compared."""

    name: str
    knobs: dict[str, str]
    api: str
    metric: str


@dataclass(frozen=True)
class Job:
    """What both tools run, and for how long."""

    name: str
    model: Path
    seconds: int
    shape: str | None = None


Tool = Callable[[int], Figures]  # runs on a CPU


def jobs(folder: Path, seconds: int) -> tuple[Job, ...]:
    """The models, the quickest first; the one that is built here is written into `folder`."""
    rec, cls = real_model("rec"), real_model("cls")
    tiny = matmul_model(folder, "tiny", TINY_WIDTH)
    return (
        Job(TINY, tiny, seconds),
        Job(CLASSIFIER, cls.path, seconds, shape=cls.shape_flag),
        Job(RECOGNISER, rec.path, seconds, shape=rec.shape_flag),
        Job(WIDE_RECOGNISER, rec.path, LONGER * seconds, shape=WIDE),
    )


KNOBS = {"inference_num_threads": "1", "inference_precision_hint": "f32", "num_streams": "1"}
WORKLOADS = (
    Workload("throughput", {**KNOBS, "nireq": "4"}, "async", "throughput_per_s"),
    Workload("latency", {**KNOBS, "nireq": "1"}, "sync", "latency_p50_s"),
)


def measure(job: Job, workload: Workload, cpu: int) -> Figures:
    """One run of `autotp measure` on a CPU."""
    command = [_beside_python("autotp"), "measure", str(job.model), "--json", "--budget", f"{job.seconds}s"]
    if job.shape:
        command += ["--shape", job.shape]
    for knob, value in workload.knobs.items():
        command += ["--set", f"{knob}={value}"]
    answer = json.loads(_output(command, job.seconds, cpu))
    return Figures(answer["inferences"] / answer["measured_s"], answer["latency_p50_s"])


def benchmark(job: Job, workload: Workload, precisions: str, cpu: int) -> Figures:
    """One run of benchmark_app on a CPU."""
    text = _output(benchmark_command(job, workload, precisions), job.seconds, cpu)
    # The report it can write rounds to 0.01 ms, which is 2 % of a small model; below 1 ms the log doesn't.
    median = re.search(r"Median:\s+([\d.]+) (us|ms)", text)
    throughput = re.search(r"Throughput:\s+([\d.]+) FPS", text)
    if not (median and throughput):
        raise RuntimeError(f"benchmark_app gave no figures: {text[-500:]}")
    return Figures(float(throughput[1]), float(median[1]) * (1e-6 if median[2] == "us" else 1e-3))


def benchmark_command(job: Job, workload: Workload, precisions: str) -> list[str]:
    """The command line; `precisions` is the model's own, or benchmark_app feeds pictures as bytes."""
    command = [_beside_python("benchmark_app"), "-m", str(job.model), "-d", "CPU", "-hint", "none"]
    command += ["-api", workload.api, "-t", str(job.seconds), "-iop", precisions]
    if job.shape:
        command += ["-shape", job.shape.replace("=", "", 1)]
    for knob, value in workload.knobs.items():
        command += [FLAGS[knob], value]
    return command


def _beside_python(script: str) -> str:
    return str(Path(sys.executable).with_name(script))


def _output(command: list[str], seconds: int, cpu: int) -> str:
    done = subprocess.run(
        ["taskset", "-c", str(cpu), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + START_UP_S,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def input_precisions(model: Path) -> str:
    """The model's input types as benchmark_app's `-iop` takes them, for example `x:f32`."""
    import openvino

    inputs = openvino.Core().read_model(model).inputs
    return ",".join(f"{port.any_name}:{port.element_type.get_type_name()}" for port in inputs)


def compare(job: Job, workload: Workload, pairs: int) -> dict[str, Any]:
    """Run the two tools at once, again and again, and put their figures side by side."""
    precisions, (one, other) = input_precisions(job.model), two_cpus()
    together = Together(partial(measure, job, workload), lambda cpu: benchmark(job, workload, precisions, cpu))
    together.run(one, other)  # how long each takes isn't known before
    ours, theirs = list[Figures](), list[Figures]()
    while len(ours) < pairs or (len(ours) < MOST_PAIRS and not narrow(workload, ours, theirs)):
        runs = [together.run(one, other), together.run(other, one)]
        ours.append(Figures.mean([run[0] for run in runs]))
        theirs.append(Figures.mean([run[1] for run in runs]))
        print(f"{job.name}, {workload.name}: {len(ours)} pairs", file=sys.stderr, flush=True)
    return side_by_side(job, workload, ours, theirs)


class Together:
    """Runs two tools so that they end at the same time, as they did in the run before."""

    def __init__(self, ours: Tool, theirs: Tool) -> None:
        self._ours, self._theirs = ours, theirs
        self._longer_s = 0.0  # ours, than theirs

    def run(self, our_cpu: int, their_cpu: int) -> tuple[Figures, Figures]:
        """Run both, each on its CPU."""
        with ThreadPoolExecutor(2) as pool:
            ran = pool.submit(_timed, self._ours, our_cpu, max(0.0, -self._longer_s))
            theirs, their_s = _timed(self._theirs, their_cpu, max(0.0, self._longer_s))
            ours, our_s = ran.result()
        self._longer_s = our_s - their_s
        return ours, theirs


def _timed(tool: Tool, cpu: int, after_s: float) -> tuple[Figures, float]:
    """Run `tool` after so many seconds; return what it says and how long it took."""
    sleep(after_s)
    began = monotonic()
    return tool(cpu), monotonic() - began


def two_cpus() -> tuple[int, int]:
    """The first and the last CPU that this process may use.

    Raises:
        RuntimeError: there is only one.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise RuntimeError("Both tools run at once, each on a CPU of its own; this process may use one alone.")
    return first, others[-1]


def ratio_of_pairs(workload: Workload, ours: list[Figures], theirs: list[Figures]) -> dict[str, float]:
    """The mean ratio of pairs with its interval."""
    figures = ([getattr(one, workload.metric) for one in of_tool] for of_tool in (ours, theirs))
    return ratio_interval(*map(np.array, figures))


def narrow(workload: Workload, ours: list[Figures], theirs: list[Figures]) -> bool:
    """Whether the interval is narrow enough to distinguish 2 % from none."""
    found = ratio_of_pairs(workload, ours, theirs)
    return found["high"] / found["low"] < (1 + MARGIN / 2) ** 2


def side_by_side(job: Job, workload: Workload, ours: list[Figures], theirs: list[Figures]) -> dict[str, Any]:
    """Medians of each tool, their ratio, and the mean ratio of pairs with its interval."""
    measured = np.array([getattr(figures, workload.metric) for figures in ours])
    expected = np.array([getattr(figures, workload.metric) for figures in theirs])
    return {
        "model": job.name,
        "shape": job.shape,
        "workload": workload.name,
        "knobs": workload.knobs,
        "benchmark_app_api": workload.api,
        "metric": workload.metric,
        "autotp": {"median": float(np.median(measured)), "values": measured.tolist()},
        "benchmark_app": {"median": float(np.median(expected)), "values": expected.tolist()},
        **judged(measured, expected),
    }


def judged(measured: NDArray[np.float64], expected: NDArray[np.float64]) -> dict[str, Any]:
    """How the figures of the two tools, pair by pair, agree."""
    median = float(np.median(measured / expected))
    return {
        "median_ratio_of_pairs": median,
        "ratio_of_pairs": ratio_interval(measured, expected),
        "agrees": abs(median - 1) <= MARGIN,
    }


def judge_again(outcome: dict[str, Any]) -> dict[str, Any]:
    """Judge the runs of an outcome anew."""
    for row in outcome["results"]:
        row.pop("ratio_of_medians", None)
        row |= judged(*(np.array(row[tool]["values"]) for tool in ("autotp", "benchmark_app")))
    return outcome | {"within_2_percent": agree_on_all(outcome["results"])}


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """All models and everything that is written down."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        wanted = [job for job in jobs(Path(folder), chosen.seconds) if chosen.only in (None, job.name)]
        results = [compare(job, workload, chosen.pairs) for job in wanted for workload in WORKLOADS]
    return {
        "machine": {"cpu": openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")},
        "versions": {"openvino": openvino.__version__, "python": platform.python_version()},
        "arguments": {"pairs": chosen.pairs, "seconds": chosen.seconds},
        "results": results,
        "within_2_percent": agree_on_all(results),
    }


def agree_on_all(results: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every model was run and agrees."""
    return {row["model"] for row in results} == set(MODELS) and all(row["agrees"] for row in results)


def summary(outcome: dict[str, Any]) -> str:
    """Return the outcome as text."""
    lines = [f"{outcome['machine']['cpu']}: autotp measure over benchmark_app"]
    for row in outcome["results"]:
        figures = f"{row['autotp']['median']:.6g} / {row['benchmark_app']['median']:.6g}"
        pairs = "{ratio:.3f} ({low:.3f} to {high:.3f})".format(**row["ratio_of_pairs"])
        name = f"{row['model']}, {row['workload']}"
        lines.append(f"  {name}: {figures}; of pairs, median {row['median_ratio_of_pairs']:.3f}, mean {pairs}")
    lines.append(f"within 2 % on all models: {'yes' if outcome['within_2_percent'] else 'NO'}")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Hold autotp measure against benchmark_app.")
    parser.add_argument("--pairs", type=int, default=6, help="least pairs of runs of each workload (6)")
    parser.add_argument("--seconds", type=int, default=4, help="of each run; the slowest model's last longer (4)")
    parser.add_argument("--only", choices=MODELS, help="one of the models, which proves nothing of the others")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    parser.add_argument("--again", action="store_true", help="judge what the JSON holds, run nothing")
    chosen = parser.parse_args(arguments)
    if chosen.pairs < 2:
        parser.error("--pairs: an interval needs 2 or more.")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Compare, write the JSON, print the summary."""
    chosen = parse(arguments)
    outcome = judge_again(json.loads(chosen.out.read_text())) if chosen.again else run(chosen)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    partial = chosen.out.with_suffix(".partial")
    partial.write_text(json.dumps(outcome, indent=1) + "\n")
    partial.replace(chosen.out)
    print(summary(outcome))
    return 0 if outcome["within_2_percent"] else 1


if __name__ == "__main__":
    sys.exit(main())
