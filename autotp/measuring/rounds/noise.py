"""Measures the noise: the baseline runs against itself in separate processes (A/A), before the search.

The result is twofold. First, how much two processes of the same config differ, which determines the smallest gain
that the finals could prove here. Second, how long a block should be: short blocks of two arms are closer in time,
so they share more of the disturbance, while long blocks spend a smaller share on their lead-in. The best length
has the smallest error for the time it takes.

The error of a ratio is computed from batches of consecutive rounds, whose medians are nearly independent, while
single rounds aren't (batch means; Law, "Simulation Modeling and Analysis", 5th ed., ch. 9.5.3).
"""

import random
from collections.abc import Callable, Sequence
from math import exp, inf, sqrt
from time import monotonic

import msgspec
import numpy as np

from autotp.findings.metric import Metric
from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.arm import Arm, start_together, stop_all
from autotp.measuring.rounds.blocks import TURNS_PER_BLOCK, BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.statistics import DECIDING_CONFIDENCE, MIN_PROCESSES, round_log_gains, t_quantile
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.workload.workload import BLOCK_S

PAIRS = 3
LENGTHS_S = (BLOCK_S, 0.02, 0.1)  # the usual one, then others that are tried if there is time
BATCHES = 4
FEWEST_ROUNDS = 2 * BATCHES
CLEARLY_BETTER = 2 / 3  # of the usual length's error, as an estimate is off by about a quarter
_UNTIMED = 1.4  # about: the time of a block with its lead-in and drain, divided by its timed length


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """The noise of the baseline against itself.

    Attributes:
        smallest_gain: an estimate of the smallest ratio that the smallest number of fresh processes could prove.
            The verdict uses the noise floor of the finals instead.
        block_s: the block length with the smallest error for the time it takes.
        errors: by block length in seconds, the relative standard error of a ratio after one second of measuring.
    """

    smallest_gain: float
    block_s: float
    errors: dict[float, float]


class _Sample(msgspec.Struct, frozen=True):
    """One pair of processes at one block length: one log-ratio per round, and the seconds they took."""

    log_ratios: tuple[float, ...]
    seconds: float

    @property
    def median(self) -> float:
        return float(np.median(self.log_ratios))

    @property
    def variance(self) -> float:
        """The variance of the median, from batches."""
        batches = np.array_split(np.array(self.log_ratios), BATCHES)
        return float(np.var([np.median(batch) for batch in batches], ddof=1)) / BATCHES


class _PairSetup(msgspec.Struct, frozen=True):
    """What all pairs of processes have in common."""

    make: Callable[[], Arm]
    metric: Metric
    rng: random.Random
    repeats: RepeatLimit
    now: Callable[[], float]


def least_seconds(arm_start_s: float, block_s: float) -> float:
    """Return the shortest time that one pair takes, from the time to start an arm and to run a block."""
    return 2 * (arm_start_s + FEWEST_ROUNDS * block_s)


def measure_noise(
    make: Callable[[], Arm],
    metric: Metric,
    blocks: BlockSettings,
    seconds: float,
    seed: int,
    now: Callable[[], float] = monotonic,
    *,
    deadline: float = inf,
    repeats: RepeatLimit | None = None,
) -> Noise:
    """Run pairs of `make()` against each other for about `seconds`, with several block lengths if there is time.

    Args:
        make: returns a new arm of the baseline, not yet started.
        metric: the objective.
        blocks: the settings so far; no block length is tried that is too short for four turns.
        seconds: how long to measure, not counting starts.
        seed: for the order of blocks.
        now: the clock.
        deadline: on that clock; after the first pair, no pair is begun that would end later.
        repeats: counts the blocks and limits how many disturbed ones are run again.

    Raises:
        ArmFailure: an arm failed.
    """
    setup = _PairSetup(make, metric, random.Random(seed), repeats or RepeatLimit(), now)
    samples: dict[float, list[_Sample]] = {}
    pairs, longest_s = 0, 0.0
    while pairs < PAIRS and (pairs == 0 or now() + longest_s <= deadline):
        began = now()
        for length_s, sample in _run_pair(setup, blocks, seconds / PAIRS).items():
            samples.setdefault(length_s, []).append(sample)
        pairs, longest_s = pairs + 1, max(longest_s, now() - began)
    errors = {length_s: _error_of_a_second(of_length) for length_s, of_length in samples.items()}
    block_s = _best(errors, blocks.duration_s) if pairs == PAIRS else blocks.duration_s
    return Noise(smallest_gain=_smallest_gain(samples[block_s]), block_s=block_s, errors=errors)


def _run_pair(setup: _PairSetup, blocks: BlockSettings, seconds: float) -> dict[float, _Sample]:
    pair = {"one": setup.make(), "other": setup.make()}
    try:
        for failure in start_together(list(pair.values())).values():
            raise failure
        lengths = _lengths(pair["one"], blocks, seconds)
        return {
            length.duration_s: _run_rounds(setup, pair, length, seconds / len(lengths))
            for length in setup.rng.sample(lengths, len(lengths))
        }
    finally:
        stop_all(pair.values())


def _lengths(arm: Arm, blocks: BlockSettings, seconds: float) -> list[BlockSettings]:
    """Return the settings to compare: as many block lengths as fit into `seconds`, with the fewest rounds of each.

    A fixed length (periods of a quota, tokens, a slow model) stays as it is.
    """
    if blocks.fixed_length:
        return [blocks]
    least_s = TURNS_PER_BLOCK * arm.turn_s(blocks.first_look.run(arm))
    usual, *others = (
        BlockSettings(duration_s=length_s) for length_s in LENGTHS_S if length_s >= min(least_s, BLOCK_S)
    )
    lengths = [usual]
    for other in others:
        whole_s = sum(length.duration_s for length in (*lengths, other))
        if 2 * FEWEST_ROUNDS * _UNTIMED * whole_s <= seconds:
            lengths.append(other)
    return lengths


def _run_rounds(setup: _PairSetup, pair: dict[str, Arm], blocks: BlockSettings, seconds: float) -> _Sample:
    began = setup.now()
    one: list[Block] = []
    other: list[Block] = []
    while len(one) < FEWEST_ROUNDS or setup.now() < began + seconds:
        results = run_round(pair, blocks, setup.rng, setup.repeats, len(one))
        for result in results.values():
            if isinstance(result, ArmFailure):
                raise result
            (one if result is results["one"] else other).append(result)
    return _Sample(tuple(round_log_gains(setup.metric, one, other)), setup.now() - began)


def _error_of_a_second(samples: Sequence[_Sample]) -> float:
    return sqrt(float(np.mean([sample.variance * sample.seconds for sample in samples])))


def _best(errors: dict[float, float], usual_s: float) -> float:
    best = min(errors, key=lambda length_s: errors[length_s])
    return best if errors[best] < CLEARLY_BETTER * errors[usual_s] else usual_s


def _smallest_gain(samples: Sequence[_Sample]) -> float:
    """Return the half-width, as a ratio, of the deciding interval over the fewest processes, without a gain."""
    spread = sqrt(float(np.mean([sample.median**2 for sample in samples])))
    return exp(t_quantile(MIN_PROCESSES, DECIDING_CONFIDENCE) * spread / sqrt(MIN_PROCESSES))
