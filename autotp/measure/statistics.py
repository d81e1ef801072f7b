"""Paired statistics on log-ratios: the interval that is reported and the stricter one that decides.

The sampling unit of a verdict is the process, not the block: blocks of one process share its memory layout
and its luck, so their spread understates the error (Kalibera and Jones, "Rigorous benchmarking in
reasonable time", ISMM 2013). With few processes the t distribution carries the uncertainty of the spread.
"""

from collections.abc import Sequence
from functools import cache
from math import exp, log, sqrt

import msgspec
import numpy as np

from autotp.measure.metrics import Metric
from autotp.measure.protocol import Block

REPORTED_CONFIDENCE = 0.95
DECIDING_CONFIDENCE = 0.995
MIN_PROCESSES = 6
MIN_P99_SAMPLES = 500


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ratio with its confidence interval; above 1 is better."""

    median: float
    low: float
    high: float
    confidence: float = REPORTED_CONFIDENCE


UNITY = Interval(median=1.0, low=1.0, high=1.0)


def log_gain(metric: Metric, blocks: Sequence[Block], baseline: Sequence[Block]) -> float:
    """Return the log of how many times better `blocks` are than `baseline`, paired round by round.

    Throughput takes the median over rounds of the log-ratio; a quantile is taken of all latencies first,
    because the quantile of a short block is biased.
    """
    if metric.quantile is None:
        return float(np.median(round_log_gains(metric, blocks, baseline)))
    return log(metric.of(baseline) / metric.of(blocks))


def round_log_gains(metric: Metric, blocks: Sequence[Block], baseline: Sequence[Block]) -> list[float]:
    """Return, for each round, the log of how many times better its block is than its baseline block."""
    sign = 1.0 if metric.maximize else -1.0
    pairs = zip(blocks, baseline, strict=True)
    return [sign * log(metric.of_block(block) / metric.of_block(reference)) for block, reference in pairs]


def t_interval(log_gains: Sequence[float], confidence: float) -> Interval:
    """Return the two-sided t-interval of the mean of `log_gains` (one per process) as ratios.

    The point is their geometric mean, so that it lies in its interval; with fewer than two values the interval
    is all of (0, inf).
    """
    count = len(log_gains)
    if count < 2:
        point = exp(log_gains[0]) if log_gains else 1.0
        return Interval(median=point, low=0.0, high=float("inf"), confidence=confidence)
    half = half_width(log_gains, confidence)
    mean = float(np.mean(log_gains))
    return Interval(
        median=_exp(mean),
        low=exp(mean - half),
        high=_exp(mean + half),
        confidence=confidence,
    )


def half_width(log_gains: Sequence[float], confidence: float) -> float:
    """Return the half-width of the two-sided t-interval of the mean of `log_gains`."""
    count = len(log_gains)
    return t_quantile(count, confidence) * float(np.std(log_gains, ddof=1)) / sqrt(count)


@cache
def t_quantile(count: int, confidence: float) -> float:
    """Return how many standard errors the two-sided t-interval of a mean of `count` values reaches."""
    from scipy.special import stdtrit  # here, so that a deploy process doesn't load scipy

    return float(stdtrit(count - 1, 0.5 + confidence / 2))


def deciding_confidence(comparisons: int) -> float:
    """Return the confidence that a verdict reads, corrected (Bonferroni) for the number of comparisons."""
    return 1.0 - (1.0 - DECIDING_CONFIDENCE) / max(1, comparisons)


def proven(log_gains: Sequence[float], noise_floor: float, comparisons: int = 1) -> bool:
    """Whether `log_gains` (one per process) prove a gain: strictly above 1, and not below what could be proved.

    Args:
        log_gains: of one arm against one other.
        noise_floor: the smallest ratio that could be proved here.
        comparisons: how many arms could have been the one that is claimed to be faster.
    """
    interval = t_interval(log_gains, deciding_confidence(comparisons))
    return interval.low > 1.0 and interval.median >= noise_floor


def noise_floor(self_log_gains: Sequence[float]) -> float:
    """Return the smallest ratio that could be proved here, from the baseline against itself (A/A).

    `self_log_gains` holds one value per pair of processes.
    """
    if len(self_log_gains) < 2:
        return float("inf")
    return _exp(half_width(self_log_gains, DECIDING_CONFIDENCE))


def _exp(log_ratio: float) -> float:
    """Return e to `log_ratio`, infinity where that is too large: two processes can disagree that much."""
    try:
        return exp(log_ratio)
    except OverflowError:
        return float("inf")
