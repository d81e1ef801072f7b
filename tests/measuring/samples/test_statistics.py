"""The statistics against scipy and numpy, and by simulation with a fixed seed."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.findings.metric import METRICS, metrics_of, objectives_of
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.statistics import (
    DECIDING_CONFIDENCE,
    deciding_confidence,
    half_width,
    log_gain,
    noise_floor,
    proven,
    round_log_gains,
    t_interval,
)
from autotp.measuring.workload.closed_loop import ClosedLoop

GAINS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=12)


def blocks(rates: Sequence[float], latency_s: float = 0.01) -> list[Block]:
    """One block for each rate, all of the same latency."""
    return [Block(count=10, elapsed_s=10 / rate, latencies_s=(latency_s,) * 10, memory_bytes=1) for rate in rates]


@settings(deadline=None, derandomize=True)
@given(GAINS, st.sampled_from([0.9, 0.95, 0.995]))
def test_interval_is_scipys_t_interval_of_the_mean(gains: list[float], confidence: float) -> None:
    """On the log scale the interval is scipy's t-interval, and the point is the geometric mean."""
    interval = t_interval(gains, confidence)
    mean, error = float(np.mean(gains)), float(scipy.stats.sem(gains))
    reach = error * float(scipy.stats.t.ppf(0.5 + confidence / 2, len(gains) - 1))
    assert interval.low == pytest.approx(math.exp(mean - reach), rel=1e-6)
    assert interval.high == pytest.approx(_exp(mean + reach), rel=1e-6)
    assert interval.median == pytest.approx(math.exp(mean))
    assert interval.low <= interval.median <= interval.high
    assert interval.confidence == confidence


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf


@pytest.mark.parametrize(("gains", "point"), [([], 1.0), ([math.log(2)], 2.0)])
def test_fewer_than_two_processes_prove_nothing(gains: list[float], point: float) -> None:
    """Without a spread the interval holds every ratio there is."""
    interval = t_interval(gains, 0.95)
    assert interval.median == pytest.approx(point)
    assert (interval.low, interval.high) == (0.0, math.inf)


def test_wildly_different_processes_give_an_open_interval() -> None:
    """Two processes that disagree beyond what a float can hold leave the upper end infinite, not an error."""
    interval = t_interval([0.0, 2.0], deciding_confidence(20))
    assert interval.low < 1.0
    assert interval.high == math.inf
    assert noise_floor([0.0, 20.0]) == math.inf


@settings(deadline=None, derandomize=True)
@given(GAINS, st.floats(-0.5, 0.5))
def test_a_common_factor_moves_the_interval_and_keeps_its_width(gains: list[float], shift: float) -> None:
    """Every gain times the same factor is the interval times that factor."""
    before, after = t_interval(gains, 0.95), t_interval([gain + shift for gain in gains], 0.95)
    assert after.median == pytest.approx(before.median * math.exp(shift))
    if math.isfinite(before.high) and before.low > 0.0 and math.isfinite(after.high):
        assert after.high / after.low == pytest.approx(before.high / before.low, rel=1e-4)


@pytest.mark.parametrize("confidence", [0.95, 0.995])
def test_coverage_is_nominal_with_six_processes(confidence: float) -> None:
    """Over 4000 simulated studies the interval holds the true gain as often as it says, within four sigma."""
    rng, truth, studies = np.random.default_rng(0), math.log(1.03), 4000
    samples = rng.normal(truth, 0.01, (studies, 6))
    intervals = (t_interval([float(gain) for gain in sample], confidence) for sample in samples)
    held = sum(interval.low <= 1.03 <= interval.high for interval in intervals)
    sigma = math.sqrt(confidence * (1.0 - confidence) / studies)
    assert held / studies == pytest.approx(confidence, abs=4 * sigma)


def test_corrected_verdicts_rarely_claim_a_false_win() -> None:
    """Of 1000 studies with five equal finalists each, at most 0.8 % call any of them faster."""
    rng, confidence = np.random.default_rng(1), deciding_confidence(5)
    false_wins = sum(
        any(t_interval([float(g) for g in gains], confidence).low > 1.0 for gains in rng.normal(0, 0.01, (5, 6)))
        for _ in range(1000)
    )
    assert false_wins <= 8


def test_deciding_confidence_shares_the_error_among_comparisons() -> None:
    """Bonferroni: the chance of error of all comparisons together stays that of one."""
    assert deciding_confidence(0) == deciding_confidence(1) == DECIDING_CONFIDENCE
    for comparisons in (2, 5, 40):
        share = (1.0 - deciding_confidence(comparisons)) * comparisons
        assert share == pytest.approx(1.0 - DECIDING_CONFIDENCE)


def test_a_gain_is_proven_above_one_and_the_floor() -> None:
    """A steady 2 % is proven where as little could be; not below the floor, nor where the processes disagree."""
    steady = [math.log(1.02) + step for step in (-0.002, -0.001, 0.0, 0.0, 0.001, 0.002)]
    assert proven(steady, 1.01)
    assert not proven(steady, 1.03)
    assert not proven([5 * gain if index else -0.1 for index, gain in enumerate(steady)], 1.0)
    assert not proven(steady[:1], 1.0)


def test_noise_floor_is_what_an_equal_arm_would_have_to_beat() -> None:
    """It's the half-width of the A/A gains on the log scale, wherever their mean happens to lie."""
    gains = [0.01, -0.02, 0.005, 0.0, -0.01, 0.015]
    assert noise_floor(gains) == pytest.approx(math.exp(half_width(gains, DECIDING_CONFIDENCE)))
    assert noise_floor([gain - 0.1 for gain in gains]) == pytest.approx(noise_floor(gains))
    assert noise_floor([0.0, 0.0, 0.0]) == 1.0


@pytest.mark.parametrize("gains", [[], [0.01]])
def test_noise_floor_is_infinite_without_pairs(gains: list[float]) -> None:
    """With fewer than two pairs of processes nothing could be proved."""
    assert noise_floor(gains) == math.inf


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(1.0, 1e4), st.floats(0.5, 2.0)), min_size=1, max_size=9))
def test_throughput_gain_is_the_median_over_paired_rounds(rounds: list[tuple[float, float]]) -> None:
    """Drift that both arms share in a round cancels, however large it is between rounds."""
    baseline = blocks([rate for rate, _ in rounds])
    faster = blocks([rate * ratio for rate, ratio in rounds])
    expected = float(np.median([math.log(ratio) for _, ratio in rounds]))
    assert log_gain(METRICS["throughput"], faster, baseline) == pytest.approx(expected, abs=1e-9)


def test_gains_are_above_zero_where_the_arm_is_better() -> None:
    """More throughput and less latency are both gains."""
    better, worse = blocks([200.0], latency_s=0.005), blocks([100.0], latency_s=0.010)
    for metric in objectives_of(metrics_of(ClosedLoop.samples)):
        assert log_gain(metric, better, worse) == pytest.approx(math.log(2))
        assert round_log_gains(metric, better, worse) == [pytest.approx(math.log(2))]
        assert log_gain(metric, worse, better) == pytest.approx(-math.log(2))


def test_latency_gain_is_of_pooled_quantiles() -> None:
    """A quantile is taken over all blocks' latencies before the ratio."""

    def bursts(*latencies: tuple[float, ...]) -> list[Block]:
        return [Block(count=len(s), elapsed_s=1.0, latencies_s=s, memory_bytes=1) for s in latencies]

    arm, baseline = bursts((1.0,), (1.0, 1.0, 1.0, 9.0)), bursts((2.0, 2.0), (2.0, 2.0, 2.0))
    assert log_gain(METRICS["latency_p50"], arm, baseline) == pytest.approx(math.log(2))


def test_rounds_that_are_slow_for_both_do_not_decide_a_quantile() -> None:
    """Equal arms differ less than their pooled quantiles do, as each round is slower or faster for both."""
    rng, metric = np.random.default_rng(0), METRICS["latency_p90"]
    taken, pooled = [], []
    for _ in range(200):
        speeds = np.exp(0.3 * rng.standard_normal(25))
        arms = [speeds[:, np.newaxis] * np.exp(0.1 * rng.standard_normal((25, 10))) for _ in range(2)]
        mine, theirs = (
            [Block(count=10, elapsed_s=1.0, latencies_s=tuple(row), memory_bytes=1) for row in arm] for arm in arms
        )
        taken.append(log_gain(metric, mine, theirs))
        pooled.append(np.log(np.quantile(arms[1], 0.9) / np.quantile(arms[0], 0.9)))
    assert np.std(taken) < 0.7 * np.std(pooled)
    assert abs(np.mean(taken)) < 3.0 * np.std(taken) / math.sqrt(len(taken))


def test_what_one_arm_does_now_and_then_counts_for_it() -> None:
    """An arm that is slow in three rounds of ten, alone, has the longer tail."""
    calm, slow = (1.0,) * 10, (3.0,) * 10
    mine = [Block(count=10, elapsed_s=1.0, latencies_s=calm, memory_bytes=1) for _ in range(10)]
    theirs = [
        Block(count=10, elapsed_s=1.0, latencies_s=slow if number < 3 else calm, memory_bytes=1)
        for number in range(10)
    ]
    assert log_gain(METRICS["latency_p90"], mine, theirs) > 0.4


def test_unpaired_blocks_are_refused() -> None:
    """Rounds that one arm missed can't be compared."""
    with pytest.raises(ValueError):
        log_gain(METRICS["throughput"], blocks([1.0, 2.0]), blocks([1.0]))
