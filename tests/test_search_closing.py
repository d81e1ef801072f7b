"""The finals' figures of each arm."""

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from autotp.measure import Blocks, Metric
from autotp.measure.waves import Rounds, Schedule, plan_waves
from autotp.search.closing import final_metrics, rounds_wanted
from tests.test_measure_waves import finals_of, nothing


def session(objective: Metric) -> Any:
    """What the finals need to know of a tuning."""
    race = SimpleNamespace(blocks=Blocks(), samples_a_block=lambda racers: 8.0)
    return SimpleNamespace(request=SimpleNamespace(objective=objective), race=race)


SESSION = session(Metric.THROUGHPUT)


def test_a_finalists_objective_is_the_baselines_times_its_gain() -> None:
    """The value is the baseline's pooled figure times the paired gain; the other metrics are its own."""
    finals = finals_of({"hint": 0.02, "fast": 0.01})
    finals.run(Schedule(6, 10), inf, inf, nothing)
    found = final_metrics(SESSION, finals, "fast", "hint")
    hint = final_metrics(SESSION, finals, "hint", "hint")
    assert found["throughput_per_s"] == pytest.approx(2 * hint["throughput_per_s"], rel=0.02)
    assert found["latency_p50_s"] == finals.metrics("fast")["latency_p50_s"]
    assert hint == finals.metrics("hint")


def test_without_the_baseline_an_arm_has_its_own_figures() -> None:
    """Where the baseline failed in the finals, what was measured of the others stays usable."""
    finals = finals_of({"hint": 0.02, "fast": 0.01}, frail=("hint", 3))
    finals.run(Schedule(6, 10), inf, inf, nothing)
    assert final_metrics(SESSION, finals, "fast", "hint") == finals.metrics("fast")


def test_a_p99_gets_the_rounds_that_its_samples_need() -> None:
    """Blocks of eight latencies need some 70 rounds for 500 samples; other metrics need no more than ever."""
    wanted = rounds_wanted(session(Metric.LATENCY_P99), [])
    assert wanted.enough * 8 >= 500
    assert rounds_wanted(SESSION, []) == Rounds()
    long, short = (plan_waves(s, 3, 2.0, 0.05, wanted) for s in (500.0, 80.0))
    assert long.rounds * 8 >= 500
    assert short.processes == 6
