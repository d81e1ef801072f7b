"""The methods that simulated races compare: each against what is known of it."""

from math import exp, inf

import numpy as np
import pytest

from autotp.measuring.samples.statistics import t_interval
from tests.evidence.candidate_methods import bootstrap_t_bounds, hodges_lehmann, signed_rank_bounds, t_bounds

GAINS = np.array([-0.02, -0.01, 0.0, 0.01, 0.015, 0.04])


def test_t_is_the_interval_that_ships() -> None:
    """The t-interval of the comparison is the one of `measure`, on the log scale."""
    interval = t_interval(list(GAINS), 0.95)
    assert np.exp(t_bounds(GAINS, 0.95)) == pytest.approx([interval.low, interval.high])


def test_signed_ranks_leave_out_nothing_but_the_ends_with_six() -> None:
    """Six values give all pairwise means at 95 % (96.9 % in truth), and tell nothing at 99.5 %."""
    assert signed_rank_bounds(GAINS, 0.95) == (-0.02, 0.04)
    assert signed_rank_bounds(GAINS, 0.995) == (-inf, inf)


def test_the_median_of_pairwise_means_is_hodges_and_lehmanns() -> None:
    """Of 0, 1 and 8 the pairwise means are 0, 0.5, 1, 4, 4.5, 8; an outlier hardly moves their median."""
    assert hodges_lehmann(np.array([0.0, 1.0, 8.0])) == 2.5
    assert hodges_lehmann(np.array([0.0, 1.0, 800.0])) < 210


def test_the_bootstrap_leans_to_where_the_tail_is() -> None:
    """An interval of skewed values reaches further towards their long tail than a t-interval does."""
    skewed = np.array([0.0, 0.001, 0.002, 0.003, 0.004, 0.05])
    low, high = bootstrap_t_bounds(skewed, 0.95)
    mean = float(skewed.mean())
    assert high - mean > mean - low
    assert exp(low) < 1.0 + mean < exp(high)
