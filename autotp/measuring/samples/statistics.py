"""Paired statistics on log-ratios: the interval that is reported and the stricter one that decides.

The method. A round runs a block of every arm, so arms are compared by the ratio of the same round, which the
drift they share doesn't move. The median over a process's rounds is that process's log-gain: single rounds have
heavy tails. A quantile of latency is taken of all latencies of a process first, because that of one short block
is biased. The sampling unit of an interval is the process, not the round: rounds of one process share its memory
layout and its luck, and remember each other, so their spread understates the error (Kalibera and Jones,
"Rigorous benchmarking in reasonable time", ISMM 2013). Over processes it is the t-interval of the mean, whose
point is that mean.

The levels. 95 % is reported. A gain is proven where the 99.5 % interval, corrected for the number of finalists
(Bonferroni), lies above 1, and the gain is at least the half-width of the same interval of the baseline against
itself (A/A), the noise floor. How far the A/A gain itself happens to lie from none isn't added: it is noise, and
adding it lost a thirtieth of the wins of a true 3 % and prevented none that was false.

Chosen by whole races simulated on recorded rounds of real models, 2000 of each kind
(tests/evidence/simulate_races.py; what is said here is in results/reference/races.json). Taking each round for a
sample gave up to 4.8 % false wins at 95 % and intervals that held the truth in 87 to 92 %; bootstrap-t over so few
processes held it in 92 to 95 %, and gave up to 0.7 % false wins where this method gave 0.05 %; Wilcoxon's signed
ranks can decide nothing at 99.5 % before nine processes. Means, trimmed means and Hodges-Lehmann in place of
medians found a true 3 % as often, within a hundredth.
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from autotp.findings import Interval, Metric
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import samples_of, value_of, values_of_blocks

DECIDING_CONFIDENCE = 0.995
MIN_PROCESSES = 6
BOOTSTRAP_DRAWS = 100


def log_gain(metric: Metric, blocks: Sequence[Block], baseline: Sequence[Block]) -> float:
    """Return the log of how many times better `blocks` are than `baseline`, paired round by round.

    Throughput takes the median over rounds of the log-ratio; a quantile is taken of all latencies first,
    because the quantile of a short block is biased.
    """
    if metric.quantile is None:
        return float(np.median(round_log_gains(metric, blocks, baseline)))
    return log(value_of(metric, baseline) / value_of(metric, blocks))


def round_log_gains(metric: Metric, blocks: Sequence[Block], baseline: Sequence[Block]) -> list[float]:
    """Return, for each round, the log of how many times better its block is than its baseline block."""
    sign = 1.0 if metric.maximize else -1.0
    pairs = zip(values_of_blocks(metric, blocks), values_of_blocks(metric, baseline), strict=True)
    return [sign * log(value / reference) for value, reference in pairs]


def quantile_log_gain_error(metric: Metric, blocks: Sequence[Block], baseline: Sequence[Block]) -> float:
    """Return the standard error of `log_gain` of a quantile: rounds are drawn anew, both arms' blocks together.

    Runs of consecutive rounds are drawn rather than single ones, as rounds remember each other (circular block
    bootstrap: Politis and Romano, "A circular block-resampling procedure for stationary data", 1992).
    """
    weights = _drawn_rounds(len(blocks))
    values = [_drawn_quantiles(metric, arm, weights) for arm in (blocks, baseline)]
    return float(np.std(np.log(values[1] / values[0]), ddof=1))


@cache
def _drawn_rounds(rounds: int) -> NDArray[np.intp]:
    """Return how often each round was drawn [rounds, draws]."""
    run = max(1, round(rounds ** (1 / 3)))
    rng = np.random.default_rng(0)
    starts = rng.integers(0, rounds, (BOOTSTRAP_DRAWS, ceil(rounds / run)))
    drawn = (starts[:, :, np.newaxis] + np.arange(run)) % rounds
    return np.array([np.bincount(draw.ravel(), minlength=rounds) for draw in drawn]).T


def _drawn_quantiles(metric: Metric, blocks: Sequence[Block], weights: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the quantile that `metric` is of the samples of the rounds drawn, for each draw."""
    assert metric.quantile is not None
    samples = [samples_of(metric, block) for block in blocks]
    seconds = np.concatenate(samples)
    rounds = np.repeat(np.arange(len(blocks)), [len(of_block) for of_block in samples])
    order = np.argsort(seconds)
    below = np.cumsum(weights[rounds[order]], axis=0)
    at = np.argmax(below >= metric.quantile * below[-1], axis=0)
    drawn: NDArray[np.float64] = seconds[order][at]
    return drawn


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
