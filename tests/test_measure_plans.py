"""What drives a model: checked in one place for a tuning, a measurement and a comparison."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import InputError
from autotp.measure import Metric, Workload
from autotp.measure.plans import workload_for


def driven(metric: Metric = Metric.LATENCY_P99, budget_s: float = 10.0, **given: Any) -> Workload:
    """The workload of a call with `given`."""
    return workload_for([metric], budget_s, **{"seed": 0, "data": None, "rate_per_s": None, **given})


def test_what_was_asked_for_is_what_drives(tmp_path: Path) -> None:
    """The data are named by their whole path, as workers may live elsewhere."""
    data = tmp_path / "d.npz"
    data.write_bytes(b"")
    assert driven(seed=3, data=data, rate_per_s=50.0) == Workload(seed=3, data=data, rate_per_s=50.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": Path("gone.npz")}, r"gone\.npz"),
        ({"rate_per_s": 0.0}, "rate must be more than 0"),
        ({"rate_per_s": float("nan")}, "rate must be more than 0"),
        ({"rate_per_s": 1e6}, "at most 100000 a second"),
        ({"rate_per_s": 50.0, "metric": Metric.THROUGHPUT}, "choose a latency objective"),
        ({"rate_per_s": 0.5, "budget_s": 5.0}, r"At 0\.5 a second .* a budget of 100 s"),
    ],
)
def test_what_would_tell_nothing_is_bad_input(given: dict[str, Any], words: str) -> None:
    """One sentence says what is wrong; where hardly anything arrives, it names the budget that would do."""
    with pytest.raises(InputError, match=words):
        driven(**given)
