"""Does `autotp measure` agree with OpenVINO's own benchmark_app, on models from 50 µs to 50 ms?

A clock that disagrees with the tool everyone knows is wrong until shown otherwise. The two run in turn on one
CPU, each first in every other pair, while on another CPU plain OpenVINO runs the same model all the time. What
the machine does meanwhile falls on that neighbour, too, so each figure is divided by the neighbour's latency in
the same seconds. (In turn without it, four seconds each, sixteen pairs left an uncertainty of 3 to 4 % on a
shared machine. Side by side, the tool that starts later ran alone in its last seconds, which made it 2.5 %
faster.)
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
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
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
MOST_PAIRS = 32
BURST_S = 0.25  # of the neighbour
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


@dataclass(frozen=True)
class Run:
    """A run of a tool, and the median latency of the neighbour meanwhile."""

    figures: Figures
    neighbour_latency_s: float


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
    """Run the two tools in turn beside a neighbour, again and again, and put their figures side by side."""
    precisions, (cpu, other_cpu) = input_precisions(job.model), two_cpus()
    ours, theirs = list[Run](), list[Run]()
    with Neighbour(job, other_cpu) as neighbour:
        while len(ours) < pairs or (len(ours) < MOST_PAIRS and not narrow(workload, ours, theirs)):
            tools = [
                (ours, lambda: measure(job, workload, cpu)),
                (theirs, lambda: benchmark(job, workload, precisions, cpu)),
            ]
            for runs, tool in tools if len(ours) % 2 else reversed(tools):
                runs.append(neighbour.beside(tool))
            print(f"{job.name}, {workload.name}: {len(ours)} pairs", file=sys.stderr, flush=True)
    return side_by_side(job, workload, ours, theirs)


class Neighbour:
    """Plain OpenVINO on a CPU of its own, running one inference of a model after the other until it is closed."""

    def __init__(self, job: Job, cpu: int) -> None:
        self._seconds = job.seconds
        self._ended_s: list[float] = []
        self._latencies_s: list[float] = []
        self._done = Event()
        shapes = dict([job.shape.split("=")]) if job.shape else {}
        arm = {
            "model": str(job.model),
            "shapes": {name: json.loads(shape) for name, shape in shapes.items()},
            "properties": {name.upper(): value for name, value in KNOBS.items()},
            "cpus": [cpu],
            "seed": 0,
        }
        worker = Path(__file__).with_name("latency_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ask(arm)
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Neighbour:
        """Begin to run."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._done.set()
        self._thread.join()
        self._process.communicate()

    def beside(self, tool: Callable[[], Figures]) -> Run:
        """Run `tool`; return what it says, with the neighbour's median latency in its last, timed seconds."""
        figures = tool()
        since_s = monotonic() - self._seconds
        bursts = zip(self._ended_s.copy(), self._latencies_s.copy(), strict=False)
        return Run(figures, float(np.median([latency_s for ended_s, latency_s in bursts if ended_s > since_s])))

    def _run(self) -> None:
        while not self._done.is_set():
            self._latencies_s.append(float(np.median(self._ask({"seconds": BURST_S})["latencies_s"])))
            self._ended_s.append(monotonic())

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def two_cpus() -> tuple[int, int]:
    """The first and the last CPU that this process may use.

    Raises:
        RuntimeError: there is only one.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise RuntimeError("A neighbour runs beside the tools on another CPU; this process may use one alone.")
    return first, others[-1]


def relative(workload: Workload, runs: Sequence[Run]) -> NDArray[np.float64]:
    """Return the figures that are compared, in units of what the neighbour did meanwhile."""
    values = np.array([getattr(run.figures, workload.metric) for run in runs])
    beside = np.array([run.neighbour_latency_s for run in runs])
    found: NDArray[np.float64] = values * beside if workload.metric == "throughput_per_s" else values / beside
    return found


def narrow(workload: Workload, ours: Sequence[Run], theirs: Sequence[Run]) -> bool:
    """Whether the interval is narrow enough to distinguish 2 % from none."""
    found = ratio_interval(relative(workload, ours), relative(workload, theirs))
    return found["high"] / found["low"] < (1 + MARGIN / 2) ** 2


def side_by_side(job: Job, workload: Workload, ours: Sequence[Run], theirs: Sequence[Run]) -> dict[str, Any]:
    """Medians of each tool, their ratio, and the mean ratio of pairs with its interval."""
    return {
        "model": job.name,
        "shape": job.shape,
        "workload": workload.name,
        "knobs": workload.knobs,
        "benchmark_app_api": workload.api,
        "metric": workload.metric,
        "autotp": _values(workload, ours),
        "benchmark_app": _values(workload, theirs),
        **judged(relative(workload, ours), relative(workload, theirs)),
    }


def _values(workload: Workload, runs: Sequence[Run]) -> dict[str, Any]:
    values = [getattr(run.figures, workload.metric) for run in runs]
    return {
        "median": float(np.median(values)),
        "values": values,
        "in_units_of_the_neighbour": relative(workload, runs).tolist(),
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
        tools = ("autotp", "benchmark_app")
        row |= judged(*(np.array(row[tool]["in_units_of_the_neighbour"]) for tool in tools))
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
    parser.add_argument("--pairs", type=int, default=8, help="least pairs of runs of each workload (8)")
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
