"""The finals' figures of each arm."""

from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from autotp.measure import Metric
from autotp.search.closing import final_metrics
from autotp.search.finals import Schedule
from tests.test_search_finals import finals_of, nothing

SESSION: Any = SimpleNamespace(request=SimpleNamespace(objective=Metric.THROUGHPUT))


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
