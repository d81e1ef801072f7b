"""The table of metrics: their names, keys and directions, and which model has which."""

import pytest

from autotp.errors import InputError
from autotp.findings.metric import (
    METRICS,
    Samples,
    Statistic,
    metric_named,
    metrics_of,
    objectives_of,
)
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation


def test_each_metric_is_found_by_its_name() -> None:
    """A row stands under the name by which people call it, and it is how it's printed."""
    everything = tuple(METRICS.values())
    for name, metric in METRICS.items():
        assert metric_named(name, everything) is metric
        assert str(metric) == metric.name == name


def test_an_unknown_metric_lists_those_there_are() -> None:
    """An objective that doesn't exist is bad input, and the text names it and every one that does."""
    known = objectives_of(metrics_of(ClosedLoop.samples))
    with pytest.raises(
        InputError, match=r"objective 'speed'; there are throughput, latency_p50, .*latency_p99"
    ) as raised:
        metric_named("speed", known)
    assert "memory" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "samples", "whose", "words"),
    [
        (
            "latency_p50",
            Generation.samples,
            " of a language model",
            "'latency_p50' of a language model; there are first_",
        ),
        (
            "tokens_per_s",
            ClosedLoop.samples,
            "",
            "'tokens_per_s' of such a model; there are throughput, latency_p50",
        ),
    ],
)
def test_a_language_model_has_metrics_of_its_own(
    name: str, samples: tuple[Samples, ...], whose: str, words: str
) -> None:
    """Asking for those of another kind of model is bad input, and the text lists the right ones."""
    with pytest.raises(InputError, match=words):
        metric_named(name, metrics_of(samples), whose)


def test_keys_carry_units_and_only_rates_are_maximized() -> None:
    """Files name rates per second, latencies in seconds and sizes in bytes; more is better of rates alone."""
    ends = {"throughput": "throughput_per_s", "tokens_per_s": "tokens_per_s", "memory": "memory_bytes"}
    for metric in METRICS.values():
        assert metric.key == ends.get(metric.name, f"{metric.name}_s")
        assert metric.maximize is (metric.statistic is Statistic.RATE)


def test_better_is_more_of_a_rate_and_less_of_the_rest() -> None:
    """Losses sort values from best to worst, and a gain of 2 doubles a rate and halves a latency."""
    rate, latency = METRICS["throughput"], METRICS["latency_p50"]
    assert rate.loss({"throughput_per_s": 20.0}) < rate.loss({"throughput_per_s": 10.0})
    assert latency.loss({"latency_p50_s": 0.1}) < latency.loss({"latency_p50_s": 0.2})
    assert (rate.improved(10.0, 2.0), latency.improved(0.2, 2.0)) == (20.0, 0.1)


def test_the_name_of_a_quantile_says_which() -> None:
    """`latency_p50` is the quantile 0.5, and where it's rare five samples lie beyond it; others have none."""
    for metric in METRICS.values():
        if metric.statistic is not Statistic.QUANTILE:
            assert (metric.quantile, metric.min_samples) == (None, 0)
            continue
        digits = metric.name.removeprefix("latency_p")
        assert metric.quantile == float(f"0.{digits}")
        beyond = metric.min_samples * (1.0 - metric.quantile)
        assert beyond == pytest.approx(5.0 if metric.quantile > 0.9 else 0.0)


def test_every_model_has_memory_which_can_only_be_bounded() -> None:
    """It is no objective."""
    for samples in (ClosedLoop.samples, Generation.samples):
        known = metrics_of(samples)
        assert METRICS["memory"] in known
        assert METRICS["memory"] not in objectives_of(known)
        assert {metric.samples for metric in objectives_of(known)} == set(samples)


def test_the_throughput_hint_is_for_throughput_alone() -> None:
    """Everything else is meant to be served by the LATENCY hint."""
    assert [metric.name for metric in METRICS.values() if metric.hint == "throughput"] == ["throughput"]
