"""Under a CPU quota of one CPU on two, how much quicker than OpenVINO's LATENCY hint is what autotp ships?

OpenVINO sizes itself by the two CPUs; its two threads use up the quota in half of each period, and the inference
under way then waits for the next period. One thread never waits. So that this shows in the p90, an inference has
to be long enough for more than one in ten to be stopped: the model's input is made as large as that takes here.

Everything runs in a control group made for it: `autotp probe`, `autotp tune`, and then the judge, plain OpenVINO
processes with the hint and with the tuned properties, one at a time, alternating.

    python -m tests.evidence.measure_quota [--budget 2m] [--out results/reference/quota.json]

The judge's ratio of the p90 latencies has an interval, over pairs of blocks. Exit 0: it lies above 1, so that what
ships is quicker. Exit 1: it doesn't. Exit 2: no such group can be made here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from autotp.measuring.samples.statistics import t_interval
from tests.support.cgroup import Group, available, cpu_quota
from tests.support.real_models import real_model

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("latency_worker.py")
HINT = {"PERFORMANCE_HINT": "LATENCY"}
CPUS = 2
QUOTA = 1.0
CONFIDENCE = 0.95
INFERENCE_S = 0.01  # of which two threads fit five into half a period: every fifth is stopped
BLOCK_S = 1.0
LEAD_IN_S = 0.3  # untimed: each arm's own steady state, not the other's debt


@dataclass(frozen=True)
class Job:
    """A model at a shape, on these CPUs."""

    model: Path
    input_name: str
    shape: tuple[int, ...]
    cpus: tuple[int, ...]

    @property
    def shape_flag(self) -> str:
        """The value of autotp's `--shape`."""
        return f"{self.input_name}=[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Latencies:
    """What one arm did by the judge's clock, all blocks together."""

    samples: int
    mean_s: float
    p50_s: float
    p90_s: float

    @classmethod
    def of(cls, samples_s: Sequence[float]) -> Latencies:
        """Summarize `samples_s`."""
        p50_s, p90_s = np.quantile(samples_s, [0.5, 0.9])
        return cls(len(samples_s), float(np.mean(samples_s)), float(p50_s), float(p90_s))


class Worker:
    """A plain OpenVINO process with `properties` in the group, idle between bursts."""

    def __init__(self, group: Group, job: Job, properties: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            group.command((sys.executable, str(WORKER))),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        shapes = {job.input_name: job.shape}
        arm = {"shapes": shapes, "properties": dict(properties), "cpus": job.cpus, "seed": 0}
        self.facts = self._ask({"model": str(job.model), **arm})

    def block(self) -> list[float]:
        """The latencies of one timed burst that follows an untimed one."""
        self._ask({"seconds": LEAD_IN_S})
        latencies_s: list[float] = self._ask({"seconds": BLOCK_S})["latencies_s"]
        return latencies_s

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply


def sized(model: Path, input_name: str, shape: tuple[int, ...], axis: int) -> Job:
    """A job on two CPUs, `shape` repeated along `axis` until the hint takes about 10 ms with both to itself."""
    job, times = Job(model, input_name, shape, tuple(sorted(os.sched_getaffinity(0)))[:CPUS]), 1
    while (latency_s := _undisturbed_s(job)) < 0.8 * INFERENCE_S:
        times = max(times + 1, round(times * INFERENCE_S / latency_s))
        job = replace(job, shape=(*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))
    return job


def _undisturbed_s(job: Job) -> float:
    with cpu_quota(len(job.cpus)) as group, _workers(group, job, {"hint": HINT}) as workers:
        return float(np.quantile(workers["hint"].block(), 0.1))


def autotp(group: Group, job: Job, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `autotp` in the group on the job's CPUs."""
    pinned = ("taskset", "-c", ",".join(map(str, job.cpus)), sys.executable, "-m", "autotp", *arguments)
    return subprocess.run(group.command(pinned), capture_output=True, text=True, cwd=ROOT)


def tune(group: Group, job: Job, out: Path, *options: str) -> dict[str, Any]:
    """Tune the p90 latency of the job in the group; the content of tuned.yaml."""
    asked = ("--shape", job.shape_flag, "--objective", "latency_p90", *options)
    done = autotp(group, job, "tune", str(job.model), *asked, "--out", str(out), "--json")
    if done.returncode not in (0, 3):
        raise RuntimeError(f"autotp tune failed: {done.stderr}")
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return verdict


def hint_p90_s(out: Path) -> float:
    """The p90 latency of the LATENCY hint as the study measured it among the baselines."""
    import optuna

    (name,) = optuna.get_all_study_names(storage := f"sqlite:///{out / 'study.db'}")
    for trial in optuna.load_study(study_name=name, storage=storage).trials:
        kept = trial.user_attrs
        if kept["role"] == "baseline" and kept["config"] == {"performance_hint": "latency"}:
            return float(kept["metrics"]["latency_p90_s"])
    raise LookupError(f"{out} has no baseline with the LATENCY hint")


def judge(group: Group, job: Job, properties: Mapping[str, str], pairs: int) -> dict[str, Any]:
    """Alternate blocks of the hint and of `properties` in the group, each first in every second pair."""
    with _workers(group, job, {"hint": HINT, "tuned": properties}) as workers:
        blocks: dict[str, list[list[float]]] = {name: [] for name in workers}
        for pair in range(pairs):
            for name in sorted(workers, reverse=bool(pair % 2)):
                blocks[name].append(workers[name].block())
        facts = {name: worker.facts for name, worker in workers.items()}
    found = {name: Latencies.of([s for block in blocks[name] for s in block]) for name in blocks}
    by_pair = [
        float(np.quantile(hint, 0.9) / np.quantile(tuned, 0.9))
        for hint, tuned in zip(blocks["hint"], blocks["tuned"], strict=True)
    ]
    interval = t_interval(np.log(by_pair).tolist(), CONFIDENCE)
    by_name = {name: {key: facts[name][key] for key in ("streams", "threads", "precision")} for name in found}
    return {
        **{name: {**by_name[name], **asdict(found[name])} for name in found},
        **{key: facts["hint"][key] for key in ("cpu", "openvino")},
        "hint_over_tuned_p90": found["hint"].p90_s / found["tuned"].p90_s,
        "by_pair": by_pair,
        "interval": [interval.low, interval.high],
    }


@contextmanager
def _workers(group: Group, job: Job, arms: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Worker]]:
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name, properties in arms.items():
            workers[name] = Worker(group, job, properties)
            stack.callback(workers[name].stop)
        yield workers


def run(budget: str, pairs: int) -> dict[str, Any]:
    """Probe, tune and judge the OCR recogniser; everything that is written down."""
    real = real_model("rec")
    job = sized(real.path, real.input_name, real.shape, axis=3)
    with cpu_quota(QUOTA) as group, tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        probed = json.loads(autotp(group, job, "probe", "--json").stdout)
        verdict = tune(group, job, out, "--space", "latency", "--budget", budget)
        study_hint_s = hint_p90_s(out)
        profile = verdict["profiles"][0]
        judged = judge(group, job, profile["properties"], pairs)
    result = profile["result"]
    return {
        "command": (
            f"autotp tune {job.model.name} --shape '{job.shape_flag}' --objective latency_p90 "
            f"--space latency --budget {budget}"
        ),
        "cpus": len(job.cpus),
        "cpu_quota": QUOTA,
        "probed_envelope": probed["envelope"],
        "cpu": judged.pop("cpu"),
        "python": platform.python_version(),
        "autotp": version("autotp"),
        "openvino": judged.pop("openvino"),
        "seconds": round(verdict["study"]["duration_s"], 1),
        "shipped": {"config": profile["config"], "properties": profile["properties"]},
        "verdict": {key: result[key] for key in ("verdict", "gain", "baseline")},
        "study": {
            "hint_p90_s": study_hint_s,
            "tuned_p90_s": result["metrics"]["latency_p90_s"],
            "hint_over_tuned_p90": study_hint_s / result["metrics"]["latency_p90_s"],
        },
        "judge": judged,
    }


def reached(outcome: Mapping[str, Any]) -> bool:
    """Whether what ships is proven quicker than the hint by the judge."""
    return bool(outcome["judge"]["interval"][0] > 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON, print the summary."""
    parser = argparse.ArgumentParser(description="Tune under a CPU quota and judge what ships.")
    parser.add_argument("--budget", default="2m", help="of the tuning (2m)")
    parser.add_argument("--pairs", type=int, default=10, help="blocks of each arm that the judge runs (10)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "reference" / "quota.json")
    chosen = parser.parse_args(arguments)
    if reason := available():
        print(reason, file=sys.stderr)
        return 2
    outcome = run(chosen.budget, chosen.pairs)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(outcome, indent=1) + "\n")
    for who in ("study", "judge"):
        print(f"{who}: the hint's p90 latency is {outcome[who]['hint_over_tuned_p90']:.2f} times the tuned one's")
    low, high = outcome["judge"]["interval"]
    print(f"judge, {CONFIDENCE:.0%} interval over pairs: {low:.2f} to {high:.2f} times")
    return 0 if reached(outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
