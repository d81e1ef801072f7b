"""The values of metrics, from pooled raw samples."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.findings.metric import METRICS, metrics_of
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import all_metrics, value_of, values_of_blocks
from autotp.measuring.workload.closed_loop import ClosedLoop

INFERENCE_METRICS = metrics_of(ClosedLoop.samples)
LATENCIES = st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=20)


def block(latencies: list[float], elapsed_s: float = 1.0, memory_bytes: int = 1) -> Block:
    """A block with these latencies."""
    return Block(
        count=len(latencies), elapsed_s=elapsed_s, latencies_s=tuple(latencies), memory_bytes=memory_bytes
    )


def test_tokens_are_means_of_blocks_and_the_median_over_them() -> None:
    """A block's second token is the mean of its tokens after the first; the rate counts those of all sequences."""
    blocks = [
        Block(count=6, elapsed_s=0.03 * slow, first_tokens_s=(0.2 * slow,), second_tokens_s=(0.01 * slow,) * 3)
        for slow in (1.0, 1.0, 9.0)
    ]
    assert all_metrics(blocks) == pytest.approx(
        {
            "first_token_latency_s": 0.2,
            "second_token_latency_s": 0.01,
            "tokens_per_s": 200.0,
            "memory_bytes": 0,
            "compile_s": 0,
        }
    )


def test_only_what_was_timed_is_known() -> None:
    """A generation whose prompts weren't timed has no first token, and nothing that other models have."""
    second = Block(count=2, elapsed_s=0.02, second_tokens_s=(0.01, 0.01), memory_bytes=5)
    assert set(all_metrics([second])) == {"second_token_latency_s", "tokens_per_s", "memory_bytes", "compile_s"}
    begun = msgspec.structs.replace(second, first_tokens_s=(0.3,))
    assert all_metrics([begun, second, second])["first_token_latency_s"] == 0.3
    assert set(all_metrics([block([0.1])])) == {metric.key for metric in INFERENCE_METRICS}


@settings(deadline=None, derandomize=True)
@given(st.lists(LATENCIES, min_size=1, max_size=6))
def test_quantiles_are_of_all_latencies_together(bursts: list[list[float]]) -> None:
    """A latency metric is numpy's quantile of the latencies of every block, pooled."""
    pooled = np.concatenate([np.array(burst) for burst in bursts])
    blocks = [block(burst) for burst in bursts]
    for metric in INFERENCE_METRICS:
        if metric.quantile is not None:
            assert value_of(metric, blocks) == pytest.approx(float(np.quantile(pooled, metric.quantile)))


def test_throughput_is_the_median_rate_of_blocks() -> None:
    """One block that a neighbour slowed down doesn't move the throughput."""
    blocks = [block([0.01] * 10, elapsed_s) for elapsed_s in (0.1, 0.1, 10.0)]
    assert value_of(METRICS["throughput"], blocks) == pytest.approx(100.0)


def test_all_metrics_adds_the_peak_memory() -> None:
    """The figures of an arm are every metric by key and the largest memory of any block."""
    values = all_metrics([block([0.1, 0.3], memory_bytes=7), block([0.2], memory_bytes=9)])
    assert set(values) == {metric.key for metric in INFERENCE_METRICS}
    assert values["latency_p50_s"] == pytest.approx(0.2)
    assert values["memory_bytes"] == 9


@given(LATENCIES, LATENCIES)
def test_each_block_has_the_metric_that_it_has_alone(first: list[float], second: list[float]) -> None:
    """Block by block the values are those of sets of one, for quantiles as numpy has them."""
    both = [block(first), block(second, elapsed_s=0.5)]
    for metric in INFERENCE_METRICS:
        assert values_of_blocks(metric, both) == pytest.approx([value_of(metric, [one]) for one in both])
