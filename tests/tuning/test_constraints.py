"""Constraints: their text, and how far metrics are beyond them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.errors import InputError
from autotp.findings.metric import METRICS, Metric, metrics_of
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.tuning.constraints import broken, parse_constraint, violations

KNOWN = metrics_of(ClosedLoop.samples)


@pytest.mark.parametrize(
    ("text", "metric", "bound", "above"),
    [
        ("latency_p99<20ms", METRICS["latency_p99"], 0.02, False),
        (" latency_p50 <= 1.5 s ", METRICS["latency_p50"], 1.5, False),
        ("latency_p90<250us", METRICS["latency_p90"], 250e-6, False),
        ("throughput>100", METRICS["throughput"], 100.0, True),
        ("throughput>=1e3/s", METRICS["throughput"], 1000.0, True),
        ("memory<2GiB", METRICS["memory"], 2 * 2.0**30, False),
        ("memory<=1.5 gb", METRICS["memory"], 1.5e9, False),
        ("memory<800MiB", METRICS["memory"], 800 * 2.0**20, False),
        ("memory<3kB", METRICS["memory"], 3000.0, False),
        ("compile<30s", METRICS["compile"], 30.0, False),
    ],
)
def test_a_constraint_is_read_in_si_units(text: str, metric: Metric, bound: float, above: bool) -> None:
    """A bound with its unit becomes SI, the direction and the user's text are kept."""
    found = parse_constraint(text, KNOWN)
    assert (found.metric, found.above, found.text) == (metric, above, text)
    assert found.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latency_p99",
        "latency_p99=3",
        "latency_p99<",
        "latency_p99<20xs",
        "latency_p99<20",
        "latency_p99<0ms",
        "latency_p99<-3ms",
        "latency_p99<1.2.3ms",
        "speed<3ms",
        "memory<2",
        "memory<2ms",
        "throughput>5ms",
        "latency_p99<20ms or less",
    ],
)
def test_other_text_is_bad_input(text: str) -> None:
    """Another form, an unknown metric or unit, or a bound of zero is an InputError that says what is expected."""
    with pytest.raises(InputError, match=r"\."):
        parse_constraint(text, KNOWN)


def test_a_violation_is_the_fraction_of_the_bound_that_is_exceeded() -> None:
    """25 ms break a bound of 20 ms by a quarter; 15 ms keep it by a quarter."""
    constraint = parse_constraint("latency_p99<20ms", KNOWN)
    assert constraint.violation({"latency_p99_s": 0.025}) == pytest.approx(0.25)
    assert constraint.violation({"latency_p99_s": 0.015}) == pytest.approx(-0.25)


@given(value=st.floats(1.0, 1e6), bound=st.floats(1.0, 1e6))
def test_a_lower_bound_is_kept_exactly_above_it(value: float, bound: float) -> None:
    """`throughput>X` has a violation above zero exactly where the value is below X."""
    constraint = parse_constraint(f"throughput>{bound!r}", KNOWN)
    assert (constraint.violation({"throughput_per_s": value}) > 0) == (value / bound < 1.0)


def test_how_many_times_beyond_has_an_interval_over_processes() -> None:
    """Above 1 is beyond the bound, for an upper and for a lower one; equal processes leave no doubt."""
    upper, lower = parse_constraint("latency_p50<10ms", KNOWN), parse_constraint("throughput>50", KNOWN)
    processes = [{"latency_p50_s": 0.02, "throughput_per_s": 100.0}] * 3
    assert upper.times_beyond(processes, 0.95).low == pytest.approx(2.0)
    assert lower.times_beyond(processes, 0.95).high == pytest.approx(0.5)
    unsure = [{"latency_p50_s": latency_s} for latency_s in (0.009, 0.0095, 0.01)]
    assert upper.times_beyond(unsure, 0.95).low < 1.0 < upper.times_beyond(unsure, 0.95).high


def test_a_figure_is_spelled_in_the_unit_of_the_bound() -> None:
    """What the user reads beside their own text."""
    assert parse_constraint("latency_p99<20ms", KNOWN).spell({"latency_p99_s": 0.0231}) == "latency_p99 23.1 ms"
    assert parse_constraint("memory<2GiB", KNOWN).spell({"memory_bytes": 3 * 2**30}) == "memory 3 GiB"
    assert parse_constraint("throughput>100", KNOWN).spell({"throughput_per_s": 80.0}) == "throughput 80"


def test_violations_are_named_by_the_text() -> None:
    """Violations are stored by the text that the user wrote."""
    constraints = (parse_constraint("latency_p50<10ms", KNOWN), parse_constraint("throughput>50", KNOWN))
    found = violations(constraints, {"latency_p50_s": 0.02, "throughput_per_s": 100.0})
    assert found == {"latency_p50<10ms": pytest.approx(1.0), "throughput>50": pytest.approx(-1.0)}


@pytest.mark.parametrize(("latency_s", "texts"), [(0.009, []), (0.01, []), (0.011, ["latency_p50<10ms"])])
def test_what_is_broken_is_beyond_its_bound(latency_s: float, texts: list[str]) -> None:
    """A value at the bound keeps it; what is broken is named as the user wrote it."""
    constraints = (parse_constraint("latency_p50<10ms", KNOWN), parse_constraint("throughput>50", KNOWN))
    assert broken(constraints, {"latency_p50_s": latency_s, "throughput_per_s": 100.0}) == texts
