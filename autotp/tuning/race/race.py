"""The race: arms run in rounds against the baseline, and those that are behind a leader are dropped.

The estimate of an arm is its log-gain over the baseline in the same rounds, as in the finals. A quantile is
taken of all latencies of these rounds, because the quantile of one short block is biased. The error of the
estimate comes from the spread of the rounds, for a quantile from resampled rounds (bootstrap).

An arm is dropped if the t-interval of its gain over a leader ends below 1. The level of that interval divides the
chance of error among all looks and leaders (Bonferroni). Where both ran in the same rounds, the gain is paired.
Each arm is one process here, and processes of the same program differ, which rounds don't show. So on recorded
rounds equal arms are dropped two to four times as often as the level says, and an arm that is 5 % better in 0 to
1 % of races (tests/evidence/simulate_races.py).

An arm that is proven to be far behind the baseline is dropped after a few rounds already (screening): where
blocks are long, such arms would take most of the time.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from math import exp, log
from time import monotonic

import msgspec
import numpy as np

from autotp.findings.metric import Metric
from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import all_metrics, samples_of, value_of
from autotp.measuring.samples.statistics import quantile_log_gain, round_log_gains
from autotp.measuring.samples.weather import RepeatLimit
from autotp.tuning.race.estimate import Estimate
from autotp.tuning.race.racer import Racer

ROUNDS_TO_SCREEN = 3
ROUNDS_TO_JUDGE = 10
ROUNDS_TO_SETTLE = 30
FEWEST_TO_JUDGE = 6  # where blocks are long; with fewer, twice as many equal arms would be dropped
LOOKS = ROUNDS_TO_SETTLE // ROUNDS_TO_JUDGE
CLEARLY_BEHIND = 0.8  # of the baseline
SCREENING_CONFIDENCE = 0.998  # two-sided
DROP_ERROR = 0.01  # chance of dropping an arm that equals the leaders, over all looks and leaders
BEHIND_CONFIDENCE = 0.90  # that one arm is behind another; it only chooses what to measure, and proves nothing


class Race:
    """Runs rounds of the racers, one of which is the baseline, and estimates their gains."""

    def __init__(
        self,
        metrics: tuple[Metric, ...],
        seed: int,
        blocks: BlockSettings,
        longest_block_s: float,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.live: dict[str, Racer] = {}
        self.rounds = 0
        self.repeats = RepeatLimit()
        self._metrics = metrics
        self._rng = random.Random(seed)
        self._blocks = blocks
        self._now = now
        self._longest_block_s = longest_block_s
        self._length_since = 0  # first round with the present block length
        self._stretch = 1.0  # present block length over the previous one
        self._baseline: Racer | None = None

    @property
    def baseline(self) -> Racer:
        """The racer that all gains are relative to."""
        assert self._baseline is not None, "no baseline has been chosen"
        return self._baseline

    @property
    def blocks(self) -> BlockSettings:
        """How blocks are made; the same for all arms."""
        return self._blocks

    @property
    def rounds_to_judge(self) -> int:
        """After how many rounds an arm may be dropped; also the number of rounds between two looks."""
        return max(FEWEST_TO_JUDGE, self._blocks.rounds(ROUNDS_TO_JUDGE))

    @property
    def rounds_to_settle(self) -> int:
        """After how many rounds an arm that wasn't dropped has been raced enough."""
        return max(2 * FEWEST_TO_JUDGE, self._blocks.rounds(ROUNDS_TO_SETTLE))

    def seconds_a_block(self, racers: Iterable[Racer]) -> float:
        """Return how many seconds a block of `racers` takes on average, with lead-in, drain and repetitions."""
        blocks, stretch = self._recent(racers)
        took_s = [(stretch * block.elapsed_s + block.untimed_s) * (1 + block.dropped) for block in blocks]
        return float(np.mean(took_s))

    def samples_a_block(self, racers: Iterable[Racer]) -> float:
        """Return the fewest samples of the first objective in any block of `racers`."""
        blocks, stretch = self._recent(racers)
        return stretch * min(len(samples_of(self._metrics[0], block)) for block in blocks)

    def _recent(self, racers: Iterable[Racer]) -> tuple[list[Block], float]:
        """Return the blocks of the present length and 1; without any, all blocks and the factor to that length."""
        blocks = [item for racer in racers for item in racer.blocks.items()]
        recent = [block for round_, block in blocks if round_ >= self._length_since]
        return (recent, 1.0) if recent else ([block for _, block in blocks], self._stretch)

    def choose_baseline(self, racer: Racer) -> None:
        """Make `racer` the one that all gains are relative to."""
        self._baseline = racer

    def set_block_length(self, duration_s: float) -> None:
        """Make blocks of `duration_s` from now on."""
        if duration_s == self._blocks.duration_s:
            return
        self._length_since = self.rounds
        self._stretch = duration_s / self._blocks.duration_s
        self._blocks = msgspec.structs.replace(self._blocks, duration_s=duration_s)

    def take_turns(self, start_s: float) -> None:
        """Make blocks for arms that take turns and need `start_s` to start."""
        self._blocks = self._blocks.taking_turns(start_s)

    def fit_blocks(self) -> list[Racer]:
        """Set the block length from the slowest arm, so that each request runs several times in a block.

        Returns:
            The racers that failed; they are already out.
        """
        blocks, failed = self._round(self._blocks.first_look)
        for key, block in blocks.items():
            self._blocks = self._blocks.fit(self.live[key].arm.turn_s(block), self._longest_block_s)
        return failed

    def enter(self, racer: Racer) -> None:
        """Let `racer` take part, from the next round on."""
        self.live[racer.key] = racer

    def leave(self, racer: Racer) -> None:
        """Take `racer` out and stop its processes; its blocks are kept."""
        self.live.pop(racer.key, None)
        racer.arm.stop()

    def run(self, rounds: int, until: float) -> list[Racer]:
        """Run `rounds` rounds; stop earlier at the time `until` or if the baseline fails.

        Returns:
            The racers that failed; they are already out.
        """
        failed: list[Racer] = []
        for _ in range(rounds):
            if self._now() > until:
                break
            blocks, out = self._round(self._blocks)
            failed += out
            for key, block in blocks.items():
                self.live[key].blocks[self.rounds] = block
            self.rounds += 1
            if self._baseline in out:
                break
        return failed

    def _round(self, how: BlockSettings) -> tuple[dict[str, Block], list[Racer]]:
        """Run a block of each live racer; return the blocks and the racers that failed, which are already out."""
        blocks: dict[str, Block] = {}
        failed: list[Racer] = []
        arms = {key: racer.arm for key, racer in self.live.items()}
        for key, result in run_round(arms, how, self._rng, self.repeats, self.rounds).items():
            if isinstance(result, ArmFailure):
                racer = self.live[key]
                racer.failure = result
                failed.append(racer)
                self.leave(racer)
            else:
                blocks[key] = result
        return blocks, failed

    def estimate(self, racer: Racer, metric: Metric | None = None) -> Estimate:
        """Return the estimated gain of `racer` over the baseline in `metric`, by default the first objective."""
        return self._over(racer, self.baseline, metric or self._metrics[0])

    def gain(self, racer: Racer, other: Racer, metric: Metric | None = None) -> Estimate:
        """Return the gain of `racer` over `other`: paired if they shared enough rounds to be judged by."""
        metric = metric or self._metrics[0]
        if len(racer.blocks.keys() & other.blocks.keys()) >= self.rounds_to_judge:
            return self._over(racer, other, metric)
        return self.estimate(racer, metric).over(self.estimate(other, metric))

    def clearly_behind(self, racer: Racer) -> bool:
        """Whether `racer`, before it can be judged, is proven to be far below the baseline in every objective."""
        if not ROUNDS_TO_SCREEN <= len(racer.blocks) < self.rounds_to_judge:
            return False
        mine, theirs = self._shared(racer, self.baseline)
        estimates = (Estimate.of(round_log_gains(metric, mine, theirs)) for metric in self._metrics)
        return all(estimate.below(log(CLEARLY_BEHIND), SCREENING_CONFIDENCE) for estimate in estimates)

    def beaten(self, racer: Racer, leaders: Sequence[Racer]) -> bool:
        """Whether some leader is significantly ahead of `racer` in every objective."""
        rivals = sum(leader is not racer for leader in leaders)
        confidence = 1.0 - 2.0 * DROP_ERROR / (LOOKS * max(1, rivals))  # one-sided
        return self._is_behind(racer, leaders, confidence)

    def behind(self, racer: Racer, leaders: Sequence[Racer]) -> bool:
        """Whether `racer` is unlikely to be the best: some leader is ahead of it in every objective."""
        return self._is_behind(racer, leaders, BEHIND_CONFIDENCE)

    def _is_behind(self, racer: Racer, leaders: Sequence[Racer], confidence: float) -> bool:
        if len(racer.blocks) < self.rounds_to_judge:
            return False
        return any(
            all(self.gain(racer, leader, m).below(0.0, confidence) for m in self._metrics)
            for leader in leaders
            if leader is not racer
        )

    def _over(self, racer: Racer, other: Racer, metric: Metric) -> Estimate:
        mine, theirs = self._shared(racer, other)
        if metric.quantile is None or len(mine) < 2:
            return Estimate.of(round_log_gains(metric, mine, theirs))
        return Estimate(*quantile_log_gain(metric, mine, theirs), len(mine))

    @staticmethod
    def _shared(racer: Racer, other: Racer) -> tuple[list[Block], list[Block]]:
        """Return the blocks of both in the rounds that both took part in."""
        shared = [round_ for round_ in racer.blocks if round_ in other.blocks]
        return [racer.blocks[r] for r in shared], [other.blocks[r] for r in shared]

    def metrics(self, racer: Racer) -> dict[str, float]:
        """Return every metric of `racer`; for objectives, the baseline's value times the paired gain."""
        values = all_metrics(list(racer.blocks.values()))
        if racer is self.baseline:
            return values
        reference = list(self.baseline.blocks.values())
        for metric in self._metrics:
            gain = exp(self.estimate(racer, metric).log_gain)
            values[metric.key] = metric.improved(value_of(metric, reference), gain)
        return values


def may_be_best(race: Race, racers: Sequence[Racer]) -> list[Racer]:
    """Return those of `racers` that the leader isn't clearly ahead of, the best first."""
    ranked = sorted(racers, key=lambda racer: race.estimate(racer).log_gain, reverse=True)
    return [racer for racer in ranked if not race.gain(racer, ranked[0]).below(0.0, BEHIND_CONFIDENCE)]


def best_in(race: Race, racers: Sequence[Racer], metric: Metric) -> Racer:
    """Return the racer with the best estimate in `metric`."""
    return max(racers, key=lambda racer: race.estimate(racer, metric).log_gain)
