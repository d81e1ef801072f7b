"""Does `autotp measure` agree with OpenVINO's own benchmark_app on a fixed configuration?

A clock that disagrees with the tool everyone knows is wrong until shown otherwise. The two alternate, each
first in every second pair, so that drift of the machine falls on both; the ratios of pairs get a t-interval
on the logarithm.

Two workloads: throughput with the configuration as given, and latency with one stream and one request.
benchmark_app runs the latter with its synchronous and its asynchronous interface; `autotp measure` drives one
request synchronously, so the synchronous figure is the one that has to agree.

    python tests/compare_benchmark_app.py rec.onnx --shape 'x=[1,3,48,320]' --set num_streams=2 \\
        --set nireq=4 --set inference_precision_hint=f32 --out results/reference/benchmark_app_rec.json

Exit 0: the medians agree within 5 % on both. Exit 1: they don't.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.race_grid import ratio_interval

MARGIN = 0.05
START_UP_S = 120
FLAGS = {
    "num_streams": "-nstreams",
    "nireq": "-nireq",
    "inference_num_threads": "-nthreads",
    "inference_precision_hint": "-infer_precision",
    "enable_cpu_pinning": "-pin",
}
SWITCH = {"true": "YES", "false": "NO"}


@dataclass(frozen=True)
class Figures:
    """What one run of either tool says."""

    throughput_per_s: float
    latency_p50_s: float


@dataclass(frozen=True)
class Workload:
    """One configuration driven one way: `api` is benchmark_app's, `metric` the figure that is compared."""

    name: str
    knobs: dict[str, str]
    api: str
    metric: str
    decides: bool = True


@dataclass(frozen=True)
class Job:
    """What both tools run, and for how long."""

    model: Path
    shapes: tuple[str, ...]
    seconds: int


def workloads(knobs: dict[str, str]) -> tuple[Workload, ...]:
    """Throughput as given; latency with one request, through both interfaces of benchmark_app."""
    single = {**knobs, "num_streams": "1", "nireq": "1"}
    return (
        Workload("throughput", knobs, "async", "throughput_per_s"),
        Workload("latency", single, "sync", "latency_p50_s"),
        Workload("latency, asynchronous benchmark_app", single, "async", "latency_p50_s", decides=False),
    )


def measure(job: Job, workload: Workload) -> Figures:
    """One run of `autotp measure`."""
    command = [_beside_python("autotp"), "measure", str(job.model), "--json", "--budget", f"{job.seconds}s"]
    for shape in job.shapes:
        command += ["--shape", shape]
    for knob, value in workload.knobs.items():
        command += ["--set", f"{knob}={value}"]
    answer = json.loads(_output(command, job.seconds))
    return Figures(answer["throughput_per_s"], answer["latency_p50_s"])


def benchmark(job: Job, workload: Workload, precisions: str) -> Figures:
    """One run of benchmark_app."""
    text = _output(benchmark_command(job, workload, precisions), job.seconds)
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
    if job.shapes:
        command += ["-shape", ",".join(shape.replace("=", "", 1) for shape in job.shapes)]
    for knob, value in workload.knobs.items():
        command += [FLAGS[knob], SWITCH.get(value.lower(), value)]
    return command


def _beside_python(script: str) -> str:
    return str(Path(sys.executable).with_name(script))


def _output(command: list[str], seconds: int) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + START_UP_S
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
    """Alternate the two tools and put their figures side by side."""
    precisions = input_precisions(job.model)
    ours, theirs = [], []
    for pair in range(pairs):
        if pair % 2:
            theirs.append(benchmark(job, workload, precisions))
            ours.append(measure(job, workload))
        else:
            ours.append(measure(job, workload))
            theirs.append(benchmark(job, workload, precisions))
        print(f"{workload.name}: {pair + 1} of {pairs} pairs", file=sys.stderr, flush=True)
    return side_by_side(workload, ours, theirs)


def side_by_side(workload: Workload, ours: list[Figures], theirs: list[Figures]) -> dict[str, Any]:
    """Medians of each tool, their ratio, and the mean ratio of pairs with its interval."""
    measured = np.array([getattr(figures, workload.metric) for figures in ours])
    expected = np.array([getattr(figures, workload.metric) for figures in theirs])
    ratio = float(np.median(measured) / np.median(expected))
    return {
        "workload": workload.name,
        "knobs": workload.knobs,
        "benchmark_app_api": workload.api,
        "metric": workload.metric,
        "autotp": {"median": float(np.median(measured)), "values": measured.tolist()},
        "benchmark_app": {"median": float(np.median(expected)), "values": expected.tolist()},
        "ratio_of_medians": ratio,
        "ratio_of_pairs": ratio_interval(measured, expected),
        "agrees": abs(ratio - 1) <= MARGIN,
        "decides": workload.decides,
    }


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """All workloads and everything that is written down."""
    import openvino

    job = Job(chosen.model.resolve(), tuple(chosen.shape), chosen.seconds)
    results = [compare(job, workload, chosen.pairs) for workload in workloads(chosen.knobs)]
    return {
        "machine": {"cpu": openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")},
        "versions": {"openvino": openvino.__version__, "python": platform.python_version()},
        "arguments": {k: v.name if isinstance(v, Path) else v for k, v in vars(chosen).items()},
        "results": results,
        "within_5_percent": all(row["agrees"] for row in results if row["decides"]),
    }


def summary(outcome: dict[str, Any]) -> str:
    """The outcome for a person."""
    lines = [f"{outcome['machine']['cpu']}: autotp measure over benchmark_app"]
    for row in outcome["results"]:
        figures = f"{row['autotp']['median']:.6g} / {row['benchmark_app']['median']:.6g}"
        pairs = "{ratio:.3f} ({low:.3f} to {high:.3f})".format(**row["ratio_of_pairs"])
        lines.append(f"  {row['workload']}: {figures} = {row['ratio_of_medians']:.3f}; of pairs {pairs}")
    lines.append(f"within 5 %: {'yes' if outcome['within_5_percent'] else 'NO'}")
    return "\n".join(lines)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; knobs become a dict."""
    parser = argparse.ArgumentParser(description="Alternate autotp measure and benchmark_app.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--shape", action="append", default=[], help="for example 'x=[1,3,48,320]'")
    parser.add_argument("--set", action="append", default=[], dest="knobs", help="for example num_streams=2")
    parser.add_argument("--pairs", type=int, default=7, help="runs of each tool and workload (7)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (5)")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    chosen = parser.parse_args(arguments)
    chosen.knobs = dict(text.split("=", 1) if "=" in text else (text, "") for text in chosen.knobs)
    unknown = sorted(set(chosen.knobs) - set(FLAGS))
    if unknown:
        parser.error(f"--set {unknown[0]}: benchmark_app has no such flag; there are {', '.join(FLAGS)}.")
    if int(chosen.knobs.get("nireq", 0)) < 2:
        parser.error("--set nireq=N with 2 or more is needed: only then both tools drive the model alike.")
    if chosen.pairs < 2:
        parser.error("--pairs: an interval needs 2 or more.")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Compare, write the JSON, print the summary."""
    chosen = parse(arguments)
    outcome = run(chosen)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    partial = chosen.out.with_suffix(".partial")
    partial.write_text(json.dumps(outcome, indent=1) + "\n")
    partial.replace(chosen.out)
    print(summary(outcome))
    return 0 if outcome["within_5_percent"] else 1


if __name__ == "__main__":
    sys.exit(main())
