"""What is counted of simulated races, and what counts as missed."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from autotp.findings.metric import METRICS
from autotp.measuring.samples.statistics import MIN_PROCESSES
from tests.evidence.simulate_races import (
    CANDIDATES,
    ENOUGH_INTERVALS,
    Scenario,
    _count,
    failings,
    summary,
    throughput_coverage,
)
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import candidates, simulate

FINE = {"false_wins": 0.0, "right_wins": 1.0, "intervals": ENOUGH_INTERVALS, "coverage": 0.95}


@pytest.mark.parametrize(("budget_s", "processes"), [(10.0, 0), (60.0, MIN_PROCESSES)])
def test_too_few_processes_make_no_interval(tmp_path: Path, budget_s: float, processes: int) -> None:
    """An interval that a verdict couldn't be read from holds every truth, so it isn't counted."""
    speeds = dict.fromkeys(candidates(CANDIDATES), 1.0)
    found = simulate(made_up(noise=0.05), speeds, matmul_model(tmp_path), tmp_path, seed=1, budget_s=budget_s)
    assert found.result.finalists
    assert (len(found.result.finals.waves) >= MIN_PROCESSES) == (processes > 0)
    assert ("intervals" in Counter(_count(found, speeds))) == (processes > 0)


def test_methods_that_were_not_tried_have_no_figures() -> None:
    """Methods are compared on throughput alone: elsewhere there is nothing to say of them, not none."""
    found = summary(Counter({"races": 10, "intervals": 10, "held": 9}))
    assert found["coverage"] == 0.9
    assert set(found["coverage_of_methods"].values()) == {None}
    assert all(figures == {"false_wins": None, "right_wins": None} for figures in found["methods"].values())


def test_coverage_is_asked_of_throughput_and_of_each_scenario_with_enough() -> None:
    """Too low or too high is missed alike; a few intervals of one scenario prove nothing."""
    scenario = Scenario(1.05)
    assert failings({scenario: FINE}, 0.95) == []
    assert len(failings({scenario: FINE}, 0.98)) == 1
    low: dict[str, Any] = {**FINE, "coverage": 0.92}
    assert len(failings({scenario: low}, 0.95)) == 1
    assert failings({scenario: {**low, "intervals": ENOUGH_INTERVALS - 1}}, 0.95) == []


def test_other_objectives_are_not_in_the_coverage_of_throughput() -> None:
    """It pools the scenarios of throughput alone."""
    totals = {
        Scenario(): Counter({"intervals": 10, "held": 9}),
        Scenario(1.05): Counter({"intervals": 10, "held": 10}),
        Scenario(metric=METRICS["latency_p90"]): Counter({"intervals": 1000}),
    }
    assert throughput_coverage(totals) == 0.95
