"""Noise first: the baseline against itself, in processes of its own, before anything else is compared (A/A).

It tells two things. How far two processes of the same config lie apart, from which follows the smallest gain that
the finals could prove here. And how long a block should be: a short one shares more of its neighbour's weather, a
long one spends less on its lead-in; the best has the least error for the time that it takes.

The error of a ratio is read from batches of consecutive rounds, whose medians are nearly independent where single
rounds aren't (batch means; Law, "Simulation Modeling and Analysis", 5th ed., ch. 9.5.3).
"""

import random
from collections.abc import Callable, Sequence
from math import exp, inf, sqrt
from time import monotonic

import msgspec
import numpy as np

from autotp.findings import Metric
from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.arm import Arm, start_together, stop_all
from autotp.measuring.rounds.blocks import TURNS_PER_BLOCK, BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.statistics import DECIDING_CONFIDENCE, MIN_PROCESSES, round_log_gains, t_quantile
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.workload.workload import BLOCK_S

PAIRS = 3
LENGTHS_S = (BLOCK_S, 0.02, 0.1)  # the usual one, then those that are tried where the time allows
BATCHES = 4
FEWEST_ROUNDS = 2 * BATCHES
CLEARLY_BETTER = 2 / 3  # of the usual length's error: an estimate errs by about a quarter
_UNTIMED = 1.4  # a block with its lead-in and drain over its length, about


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """What the baseline against itself tells.

    Attributes:
        smallest_gain: about the ratio below which the fewest fresh processes could prove nothing; the floor that
            binds is that of the finals.
        block_s: the length of blocks with the least error for its time.
        errors: by length in seconds, the relative standard error of a ratio after one second of measuring.
    """

    smallest_gain: float
    block_s: float
    errors: dict[float, float]


class _Sample(msgspec.Struct, frozen=True):
    """One pair of processes at one block length: a log-ratio a round, and the seconds they took."""

    log_ratios: tuple[float, ...]
    seconds: float

    @property
    def median(self) -> float:
        return float(np.median(self.log_ratios))

    @property
    def variance(self) -> float:
        """Of the median, from batches."""
        batches = np.array_split(np.array(self.log_ratios), BATCHES)
        return float(np.var([np.median(batch) for batch in batches], ddof=1)) / BATCHES


class _PairSetup(msgspec.Struct, frozen=True):
    """What all pairs share."""

    make: Callable[[], Arm]
    metric: Metric
    rng: random.Random
    repeats: RepeatLimit
    now: Callable[[], float]


def least_seconds(arm_start_s: float, block_s: float) -> float:
    """Return how long a single pair takes at the least, where an arm starts and a block passes in so long."""
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
    """Run pairs of `make()` against each other for about `seconds`, at each length that suits.

    Args:
        make: returns a new arm of the baseline, not yet started.
        metric: the objective.
        blocks: how blocks are made so far; they are never made too short for the turns of the requests.
        seconds: beyond the starts.
        seed: of the order of blocks.
        now: the clock.
        deadline: on that clock; no further pair is begun that would end after it.
        patience: with disturbed blocks, which it counts.

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
    """Return the blocks to compare: as many lengths as the fewest rounds of each fit into `seconds`.

    Whole periods of a quota, tokens and blocks that had to be longer stay as they are.
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
    """Return the half-width of the deciding interval over the fewest processes, their true ratio being 1."""
    spread = sqrt(float(np.mean([sample.median**2 for sample in samples])))
    return exp(t_quantile(MIN_PROCESSES, DECIDING_CONFIDENCE) * spread / sqrt(MIN_PROCESSES))
