"""`autotp` under a real CPU quota of one CPU on two: what it sees, offers and tries.

How much quicker that makes what ships is measured by `tests.evidence.measure_quota`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.evidence.measure_quota import CPUS, QUOTA, Job, autotp, tune
from tests.support.cgroup import Group, cpu_quota, requires_cpu_quota
from tests.support.models import matmul_model

ALLOWED = tuple(sorted(os.sched_getaffinity(0)))
HINT = {"performance_hint": "latency"}
SPACE = "knobs: {num_streams: [1], inference_num_threads: [1, 2]}\n"
pytestmark = [
    requires_cpu_quota(),
    pytest.mark.skipif(len(ALLOWED) < CPUS, reason="a quota of one CPU needs two to hold back"),
]


@pytest.fixture(scope="module")
def group() -> Iterator[Group]:
    """A control group that may use one CPU."""
    with cpu_quota(QUOTA) as made:
        yield made


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A model that keeps two threads busy for some milliseconds."""
    model = matmul_model(tmp_path_factory.mktemp("model"), width=2048)
    return Job(model, "x", (128, 2048), ALLOWED[:CPUS])


def test_probe_sees_the_quota(group: Group, job: Job) -> None:
    """The envelope has two CPUs and a quota of one."""
    envelope: dict[str, Any] = json.loads(autotp(group, job, "probe", "--json").stdout)["envelope"]
    assert (len(envelope["cpus"]), envelope["cpu_quota"]) == (CPUS, QUOTA)


@pytest.mark.parametrize("period_us", [10_000, 1_000_000])
def test_probe_sees_the_period(period_us: int, job: Job) -> None:
    """Blocks follow the period that the group really has."""
    with cpu_quota(QUOTA, period_us) as group:
        envelope = json.loads(autotp(group, job, "probe", "--json").stdout)["envelope"]
    assert (envelope["cpu_quota"], envelope["cpu_quota_period_s"]) == (QUOTA, period_us / 1e6)


def test_the_space_holds_the_threads_that_fit(group: Group, job: Job) -> None:
    """One thread is all that the latency space offers, and it names the quota for what it left out."""
    found = json.loads(autotp(group, job, "space", "latency", "--json").stdout)
    (threads,) = (knob["values"] for knob in found["knobs"] if knob["name"] == "inference_num_threads")
    reasons = {dropped["what"]: dropped["reason"] for dropped in found["dropped"]}
    assert threads == [1]
    assert "quota is 1 CPU" in reasons["inference_num_threads=2"]


def test_a_tuning_tries_what_fits_and_sees_what_does_not(group: Group, job: Job, tmp_path: Path) -> None:
    """The LATENCY hint's two threads are held back by the kernel in its blocks; what is searched has one."""
    space, out = tmp_path / "space.yaml", tmp_path / "out"
    space.write_text(SPACE)
    tune(group, job, out, "--space", str(space), "--budget", "8s")
    (name,) = optuna.get_all_study_names(storage := f"sqlite:///{out / 'study.db'}")
    kept = [trial.user_attrs for trial in optuna.load_study(study_name=name, storage=storage).trials]
    (hint,) = (one for one in kept if one["role"] == "baseline" and one["config"] == HINT)
    assert hint["effective"]["threads"] == 2
    assert hint["weather"]["throttled_s"] > 0
    searched = [one for one in kept if one["role"] == "search"]
    assert searched
    assert {one["config"]["inference_num_threads"] for one in searched} == {1}
