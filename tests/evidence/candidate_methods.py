"""The methods that the simulated races compare, on the finals of the same races.

A method is how the rounds of one process become one log-gain, how those become an interval, at which level it
decides, and whether a gain must also reach what the baseline showed against itself. One of them takes every round
for an independent sample, as a plain t-test over blocks would: the spread between processes is what it misses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import product
from math import inf, log, sqrt
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

from autotp.findings.metric import METRICS
from autotp.measuring.rounds.waves import AA, Waves
from autotp.measuring.samples.statistics import round_log_gains

Gains = npt.NDArray[np.float64]
Bounds = tuple[float, float]

LEVELS = (0.95, 0.99, 0.995, 0.999)
REPORTED = 0.95
RESAMPLES = 400


def hodges_lehmann(gains: Gains) -> float:
    """Return the median of all pairwise means (Hodges and Lehmann, 1963)."""
    first, second = np.triu_indices(len(gains))
    return float(np.median((gains[first] + gains[second]) / 2))


def t_bounds(gains: Gains, confidence: float) -> Bounds:
    """Return the t-interval of the mean."""
    half = _t_quantile(len(gains) - 1, confidence) * float(gains.std(ddof=1)) / sqrt(len(gains))
    mean = float(gains.mean())
    return mean - half, mean + half


def signed_rank_bounds(gains: Gains, confidence: float) -> Bounds:
    """Return the interval that Wilcoxon's signed-rank test doesn't reject: all of it, with too few processes."""
    first, second = np.triu_indices(len(gains))
    means = np.sort((gains[first] + gains[second]) / 2)
    skipped = _signed_rank_skips(len(gains), confidence)
    return (-inf, inf) if skipped < 1 else (float(means[skipped - 1]), float(means[-skipped]))


def bootstrap_t_bounds(gains: Gains, confidence: float) -> Bounds:
    """Return the bootstrap-t interval of the mean (Efron and Tibshirani, 1993, chapter 12)."""
    drawn = gains[_resamples(len(gains))]
    errors = np.maximum(drawn.std(axis=1, ddof=1), 1e-12) / sqrt(len(gains))
    low, high = np.quantile(
        (drawn.mean(axis=1) - gains.mean()) / errors, [0.5 - confidence / 2, 0.5 + confidence / 2]
    )
    error = float(gains.std(ddof=1)) / sqrt(len(gains))
    return float(gains.mean() - high * error), float(gains.mean() - low * error)


class Method(msgspec.Struct, frozen=True):
    """One figure for each process, and the interval of those figures."""

    name: str
    figure: Callable[[Gains], float] | None  # None: every round counts as a process would
    bounds: Callable[[Gains, float], Bounds]

    def gains(self, processes: Sequence[Gains]) -> Gains:
        """Return what the interval is made of."""
        if self.figure is None:
            return np.concatenate(processes)
        return np.array([self.figure(rounds) for rounds in processes])


METHODS = (
    Method("t of medians", lambda rounds: float(np.median(rounds)), t_bounds),
    Method("t of means", lambda rounds: float(rounds.mean()), t_bounds),
    Method("t of trimmed means", lambda rounds: float(stats.trim_mean(rounds, 0.2)), t_bounds),
    Method("t of Hodges-Lehmann", hodges_lehmann, t_bounds),
    Method("signed-rank of medians", lambda rounds: float(np.median(rounds)), signed_rank_bounds),
    Method("bootstrap-t of medians", lambda rounds: float(np.median(rounds)), bootstrap_t_bounds),
    Method("t of all rounds", None, t_bounds),
)


class Floor(StrEnum):
    """What a gain must reach beside: nothing, the half-width of the A/A interval, or that plus the A/A gain."""

    NONE = "no floor"
    WIDTH = "floor"
    BIASED = "floor and bias"


class Deciding(msgspec.Struct, frozen=True):
    """A method with its level and its floor from A/A."""

    method: Method
    level: float
    floor: Floor

    @property
    def name(self) -> str:
        """How it is called in the outcome."""
        return f"{self.method.name}, {100 * self.level:g} %, {self.floor}"

    def proves(self, gains: Gains, itself: Gains, comparisons: int) -> bool:
        """Whether `gains` prove anything; `itself` are the baseline's against itself."""
        low, high = self.method.bounds(gains, 1.0 - (1.0 - self.level) / comparisons)
        below, above = self.method.bounds(itself, self.level)
        floors = {Floor.NONE: 0.0, Floor.WIDTH: (above - below) / 2, Floor.BIASED: max(-below, above)}
        return low > 0.0 and (low + high) / 2 >= floors[self.floor]


DECIDING = tuple(Deciding(*parts) for parts in product(METHODS, LEVELS, Floor))


def truths_held(finals: Waves, best: str, truths: Mapping[str, float]) -> Iterator[str]:
    """Yield, for each finalist, the names of the methods whose 95 % interval holds its true gain over `best`."""
    for (key, truth), method in product(truths.items(), METHODS):
        low, high = method.bounds(method.gains(_rounds(finals, key, best)), REPORTED)
        if low <= log(truth) <= high:
            yield method.name


def claims(finals: Waves, rivals: Sequence[str], truths: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield each deciding method that claims a win over all `rivals`, with the winner's true gain."""
    pairs = {(key, rival): _rounds(finals, key, rival) for key in truths for rival in rivals}
    for method in METHODS:
        gains = {pair: method.gains(processes) for pair, processes in pairs.items()}
        itself = method.gains(_rounds(finals, AA, rivals[0]))
        for deciding in (d for d in DECIDING if d.method is method):
            proven = [k for k in truths if all(deciding.proves(gains[k, r], itself, len(truths)) for r in rivals)]
            if proven:
                yield deciding.name, truths[max(proven, key=lambda k: float(gains[k, rivals[0]].mean()))]


def _rounds(finals: Waves, key: str, rival: str) -> list[Gains]:
    return [np.array(round_log_gains(METRICS["throughput"], wave[key], wave[rival])) for wave in finals.waves]


@cache
def _t_quantile(freedom: int, confidence: float) -> float:
    return float(stats.t.ppf(0.5 + confidence / 2, freedom))


@cache
def _resamples(count: int) -> Any:
    return np.random.default_rng(0).integers(0, count, (RESAMPLES, count))


@cache
def _signed_rank_skips(count: int, confidence: float) -> int:
    """Return how many of the smallest and largest pairwise means the interval leaves out."""
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = np.convolve(ways, np.r_[1.0, np.zeros(rank - 1), 1.0])
    below = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(below, (1.0 - confidence) / 2, side="right"))
