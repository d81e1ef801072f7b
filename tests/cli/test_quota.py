"""`autotp` under a real CPU quota of one CPU on two."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.measure_quota import CPUS, QUOTA, TARGET, Job, autotp, hint_p90_s, judge, sized, tune
from tests.support.cgroup import Group, cpu_quota, requires_cpu_quota
from tests.support.models import matmul_model

pytestmark = [
    requires_cpu_quota(),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < CPUS, reason="a quota of one CPU needs two to hold back"),
]
SPACE = "knobs: {num_streams: [1], inference_num_threads: [1]}\n"


@pytest.fixture
def group() -> Iterator[Group]:
    """A control group that may use one CPU."""
    with cpu_quota(QUOTA) as made:
        yield made


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A model of which the LATENCY hint computes an inference in about 10 ms."""
    model = matmul_model(tmp_path_factory.mktemp("model"), width=2048)
    return sized(model, "x", (128, 2048), axis=0)


def test_probe_sees_the_quota(group: Group, job: Job) -> None:
    """The envelope has two CPUs and a quota of one."""
    envelope: dict[str, Any] = json.loads(autotp(group, job, "probe", "--json").stdout)["envelope"]
    assert (len(envelope["cpus"]), envelope["cpu_quota"]) == (CPUS, QUOTA)


def test_the_space_holds_the_threads_that_fit(group: Group, job: Job) -> None:
    """One thread is all that the latency space offers, and it names the quota for what it left out."""
    found = json.loads(autotp(group, job, "space", "latency", "--json").stdout)
    (threads,) = (knob["values"] for knob in found["knobs"] if knob["name"] == "inference_num_threads")
    reasons = {dropped["what"]: dropped["reason"] for dropped in found["dropped"]}
    assert threads == [1]
    assert "quota is 1 CPU" in reasons["inference_num_threads=2"]


def test_measure_sees_what_a_quota_does(group: Group, job: Job) -> None:
    """Two threads are stopped in every period and one never, so their p90 latencies are far apart."""
    p90_s = {}
    for threads in (1, 2):
        knobs = ("--set", "num_streams=1", "--set", f"inference_num_threads={threads}", "--set", "nireq=1")
        asked = ("--shape", job.shape_flag, *knobs, "--budget", "2s", "--json")
        done = autotp(group, job, "measure", str(job.model), *asked)
        p90_s[threads] = json.loads(done.stdout)["latency_p90_s"]
    assert p90_s[2] >= TARGET * p90_s[1]


def test_what_ships_has_half_the_hints_p90_latency_or_less(group: Group, job: Job, tmp_path: Path) -> None:
    """By the study's figures and by plain OpenVINO's, the tuned config is twice as quick as the LATENCY hint."""
    space, out = tmp_path / "space.yaml", tmp_path / "out"
    space.write_text(SPACE)
    verdict = tune(group, job, out, "--space", str(space), "--budget", "15s")
    profile = verdict["profiles"][0]
    assert hint_p90_s(out) >= TARGET * profile["result"]["metrics"]["latency_p90_s"]
    assert judge(group, job, profile["properties"], pairs=2)["hint_over_tuned_p90"] >= TARGET
