"""Computes the values of metrics (`autotp.findings.METRICS`) from blocks."""

from collections.abc import Iterable, Sequence

import numpy as np

from autotp.findings.metric import METRICS, Metric, Statistic
from autotp.measuring.samples.block import Block


def samples_of(metric: Metric, block: Block) -> tuple[float, ...]:
    """Return the samples in `block` that `metric` is computed from, in seconds."""
    found: tuple[float, ...] = () if metric.samples is None else getattr(block, f"{metric.samples}_s")
    return found


def informative(metric: Metric, blocks: Iterable[Block]) -> list[Block]:
    """Return the blocks that hold samples for `metric`."""
    return [block for block in blocks if _informs(metric, block)]


def informative_rounds(
    metric: Metric, blocks: Sequence[Block], others: Sequence[Block]
) -> tuple[list[Block], list[Block]]:
    """Return the blocks of two arms, a block of each per round, in the rounds in which both hold samples."""
    pairs = [pair for pair in zip(blocks, others, strict=True) if all(_informs(metric, block) for block in pair)]
    return [mine for mine, _ in pairs], [theirs for _, theirs in pairs]


def _informs(metric: Metric, block: Block) -> bool:
    return metric.samples is None or bool(samples_of(metric, block))


def values_of_blocks(metric: Metric, blocks: Sequence[Block]) -> list[float]:
    """Return the value of `metric` in each block."""
    match metric.statistic:
        case Statistic.RATE:
            return [block.count / block.elapsed_s for block in blocks]
        case Statistic.QUANTILE:
            return [_quantile(samples_of(metric, block), metric.quantile or 0.0) for block in blocks]
        case Statistic.MEAN:
            return [_mean(samples_of(metric, block)) for block in blocks]
        case Statistic.PEAK:
            return [getattr(block, metric.key) for block in blocks]


def value_of(metric: Metric, blocks: Sequence[Block]) -> float:
    """Return `metric` over `blocks`: a quantile of all samples, the largest peak, else the median of blocks."""
    match metric.statistic:
        case Statistic.QUANTILE:
            pooled = [sample for block in blocks for sample in samples_of(metric, block)]
            return float(np.quantile(pooled, metric.quantile or 0.0))
        case Statistic.PEAK:
            return max(values_of_blocks(metric, blocks))
        case _:
            return float(np.median(values_of_blocks(metric, blocks)))


def all_metrics(blocks: Sequence[Block]) -> dict[str, float]:
    """Return, by key, every metric for which any of `blocks` holds samples."""
    known = {metric: informative(metric, blocks) for metric in METRICS.values()}
    return {metric.key: value_of(metric, found) for metric, found in known.items() if found}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(values: Sequence[float], quantile: float) -> float:
    """Return the same as numpy.quantile, which takes fifty times as long for few values; a race needs many."""
    ranked = sorted(values)
    below, rest = divmod(quantile * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + rest * (high - low)
