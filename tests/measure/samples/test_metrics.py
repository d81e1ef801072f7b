"""Metrics: their names, their direction, and their values from pooled raw samples."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import InputError
from autotp.measure.protocol import Block
from autotp.measure.samples.metrics import Metric, all_metrics, others_of

LATENCIES = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=20)


def block(latencies: list[float], elapsed_s: float = 1.0, memory_bytes: int = 1) -> Block:
    """A block with these latencies."""
    return Block(
        count=len(latencies), elapsed_s=elapsed_s, latencies_s=tuple(latencies), memory_bytes=memory_bytes
    )


@pytest.mark.parametrize("metric", Metric)
def test_each_metric_is_found_by_its_name(metric: Metric) -> None:
    """A metric's value is the name by which people call it."""
    assert Metric.named(metric.value, generates=metric.token is not None) is metric


def test_an_unknown_metric_lists_those_there_are() -> None:
    """An objective that doesn't exist is bad input, and the text names it and every one that does."""
    with pytest.raises(InputError, match=r"'speed'.*throughput, latency_p50, latency_p90, latency_p99"):
        Metric.named("speed")


@pytest.mark.parametrize(
    ("name", "generates", "words"),
    [
        ("latency_p50", True, "'latency_p50' of a language model; there are first_token_latency, second"),
        ("tokens_per_s", False, "'tokens_per_s' of such a model; there are throughput, latency_p50"),
    ],
)
def test_a_language_model_has_metrics_of_its_own(name: str, generates: bool, words: str) -> None:
    """Asking for those of another kind of model is bad input, and the text lists the right ones."""
    with pytest.raises(InputError, match=words):
        Metric.named(name, generates)


def test_keys_carry_units_and_only_rates_are_maximized() -> None:
    """Files name rates per second and latencies in seconds; more is better of rates alone."""
    assert [metric.key for metric in Metric] == [
        "throughput_per_s",
        "latency_p50_s",
        "latency_p90_s",
        "latency_p99_s",
        "first_token_latency_s",
        "second_token_latency_s",
        "tokens_per_s",
    ]
    assert [metric for metric in Metric if metric.maximize] == [Metric.THROUGHPUT, Metric.TOKENS_PER_S]
    assert [metric.quantile for metric in Metric] == [None, 0.5, 0.9, 0.99, None, None, None]


def test_tokens_are_means_of_blocks_and_the_median_over_them() -> None:
    """A block's second token is the mean of its tokens after the first; the rate counts those of all sequences."""
    blocks = [
        Block(count=6, elapsed_s=0.03 * slow, first_tokens_s=(0.2 * slow,), second_tokens_s=(0.01 * slow,) * 3)
        for slow in (1.0, 1.0, 9.0)
    ]
    assert all_metrics(blocks) == pytest.approx(
        {"first_token_latency_s": 0.2, "second_token_latency_s": 0.01, "tokens_per_s": 200.0, "memory_bytes": 0}
    )


def test_others_are_the_latencies_that_nobody_asked_for() -> None:
    """Of a language model's two; tokens a second say what the second token's says."""
    assert (
        others_of([Metric.SECOND_TOKEN_LATENCY])
        == others_of([Metric.TOKENS_PER_S])
        == (Metric.FIRST_TOKEN_LATENCY,)
    )
    assert others_of([Metric.FIRST_TOKEN_LATENCY]) == (Metric.SECOND_TOKEN_LATENCY,)
    assert others_of([Metric.FIRST_TOKEN_LATENCY, Metric.TOKENS_PER_S]) == others_of([Metric.THROUGHPUT]) == ()


def test_only_what_was_timed_is_told() -> None:
    """A generation whose prompts weren't timed has no first token, and nothing that other models have."""
    second = Block(count=2, elapsed_s=0.02, second_tokens_s=(0.01, 0.01), memory_bytes=5)
    assert set(all_metrics([second])) == {"second_token_latency_s", "tokens_per_s", "memory_bytes"}
    begun = msgspec.structs.replace(second, first_tokens_s=(0.3,))
    assert all_metrics([begun, second, second])["first_token_latency_s"] == 0.3
    assert set(all_metrics([block([0.1])])) == {metric.key for metric in list(Metric)[:4]} | {"memory_bytes"}


@settings(deadline=None, derandomize=True)
@given(st.lists(LATENCIES, min_size=1, max_size=6))
def test_quantiles_are_of_all_latencies_together(bursts: list[list[float]]) -> None:
    """A latency metric is numpy's quantile of the latencies of every block, pooled."""
    pooled = np.concatenate([np.array(burst) for burst in bursts])
    blocks = [block(burst) for burst in bursts]
    for metric, quantile in ((Metric.LATENCY_P50, 0.5), (Metric.LATENCY_P90, 0.9), (Metric.LATENCY_P99, 0.99)):
        assert metric.of(blocks) == pytest.approx(float(np.quantile(pooled, quantile)))


def test_throughput_is_the_median_rate_of_blocks() -> None:
    """One block that a neighbour slowed down doesn't move the throughput."""
    blocks = [block([0.01] * 10, elapsed_s) for elapsed_s in (0.1, 0.1, 10.0)]
    assert Metric.THROUGHPUT.of(blocks) == pytest.approx(100.0)


def test_all_metrics_adds_the_peak_memory() -> None:
    """The figures of an arm are every metric by key and the largest memory of any block."""
    values = all_metrics([block([0.1, 0.3], memory_bytes=7), block([0.2], memory_bytes=9)])
    assert set(values) == {metric.key for metric in Metric.of_model(generates=False)} | {"memory_bytes"}
    assert values["latency_p50_s"] == pytest.approx(0.2)
    assert values["memory_bytes"] == 9


@given(LATENCIES, LATENCIES)
def test_each_block_has_the_metric_that_it_has_alone(first: list[float], second: list[float]) -> None:
    """Block by block the values are those of sets of one, for quantiles as numpy has them."""
    both = [block(first), block(second, elapsed_s=0.5)]
    for metric in Metric.of_model(generates=False):
        assert metric.of_each(both) == pytest.approx([metric.of([one]) for one in both])
