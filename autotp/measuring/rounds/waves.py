"""Waves: the measurements that a verdict rests on.

A wave starts a new process for every arm, and a second one for the best baseline, then runs rounds over all of
them. Several waves follow one another, so that every arm is measured in several processes. The two processes of
the best baseline (A/A) show which gain could be proven at all.
"""

import random
from collections.abc import Callable, Mapping
from math import ceil, sqrt
from time import monotonic

import msgspec

from autotp.findings.interval import REPORTED_CONFIDENCE, Interval
from autotp.findings.metric import Metric
from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.arm import Arm, start_together, stop_all
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import all_metrics, informative_rounds, samples_of
from autotp.measuring.samples.statistics import (
    DECIDING_CONFIDENCE,
    MIN_PROCESSES,
    log_gain,
    noise_floor,
    t_interval,
    t_quantile,
)
from autotp.measuring.samples.weather import RepeatLimit

MAX_PROCESSES = 60
MIN_ROUNDS = 10
ENOUGH_ROUNDS = 25
MAX_ROUNDS = 100
SPARE_SAMPLES = 1.1  # times the samples that a metric needs, as not all blocks have equally many
AA = "baseline again"
GRACE = 1.1  # times the budget: how long the processes that a verdict needs may take
SPARE_TIME = 1.1  # times an estimated time, as starts vary

Wave = dict[str, list[Block]]


class RoundCounts(msgspec.Struct, frozen=True):
    """How many rounds each process runs.

    Attributes:
        fewest: at least so many; fewer allow no verdict.
        enough: with so many, a further process is worth more than further rounds.
        most: at most so many.
    """

    fewest: int = MIN_ROUNDS
    enough: int = ENOUGH_ROUNDS
    most: int = MAX_ROUNDS

    @classmethod
    def of(cls, blocks: BlockSettings) -> "RoundCounts":
        """Return the counts for which `blocks` hold as much timed work as usual."""
        return cls(*(blocks.rounds(usual) for usual in (MIN_ROUNDS, ENOUGH_ROUNDS, MAX_ROUNDS)))

    def enough_for(self, metric: Metric, samples: float) -> "RoundCounts":
        """Return these counts, raised if `metric` needs more rounds with so many `samples` per block."""
        needed = ceil(SPARE_SAMPLES * metric.min_samples / max(1.0, samples))
        return RoundCounts(*(max(needed, usual) for usual in (self.fewest, self.enough, self.most)))


class WaveSchedule(msgspec.Struct, frozen=True):
    """How many waves there are (each arm gets one process per wave), and how many rounds each process runs.

    Behind time, a process runs fewer rounds, but at least `fewest`; ahead of time, further waves follow, up to
    `most` in all.
    """

    processes: int
    rounds: int
    fewest: int = MIN_ROUNDS
    most: int = 0


def plan_waves(seconds: float, arms: int, start_s: float, block_s: float, wanted: RoundCounts) -> WaveSchedule:
    """Return the schedule that fits into `seconds` and has the narrowest expected interval.

    Args:
        seconds: what is left of the budget.
        arms: processes that run side by side in a wave, including the second one of the best baseline.
        start_s: how long a wave takes to start and warm up.
        block_s: how long a block takes; with many requests in flight, longer than its timed part.
        wanted: how many rounds a process runs.
    """
    fitting = [WaveSchedule(MIN_PROCESSES, wanted.fewest, wanted.fewest, MAX_PROCESSES)]
    for processes in range(MIN_PROCESSES, MAX_PROCESSES + 1):
        rounds = int((seconds / processes - start_s) / (arms * block_s))
        if rounds >= (wanted.fewest if processes == MIN_PROCESSES else wanted.enough):
            fitting.append(WaveSchedule(processes, min(rounds, wanted.most), wanted.fewest, MAX_PROCESSES))
    return min(fitting, key=lambda schedule: _width(schedule, wanted))


def _width(schedule: WaveSchedule, wanted: RoundCounts) -> float:
    """Return the expected relative width of the deciding interval.

    It assumes that with `wanted.enough` rounds, the error within a process is as large as the spread over
    processes.
    """
    spread = sqrt((1.0 + wanted.enough / schedule.rounds) / schedule.processes)
    return t_quantile(schedule.processes, DECIDING_CONFIDENCE) * spread


def seconds_needed(arms: int, arm_start_s: float, block_s: float, rounds: int) -> float:
    """Return how long the fewest processes that allow a verdict take, for `arms` arms and `rounds` rounds each."""
    return MIN_PROCESSES * arms * (arm_start_s + rounds * block_s)


class Waves:
    """Runs waves of fresh processes over the same arms, and keeps every block.

    Attributes:
        waves: the blocks of each wave, by arm.
        failures: the arms that failed.
        repeats: how many blocks were disturbed.
        longest_wave_s: how long the longest wave took.

    With `one_by_one` each arm compiles alone, so that the time which that takes counts.
    """

    def __init__(
        self,
        make: Mapping[str, Callable[[], Arm]],
        best_baseline: str,
        metric: Metric,
        blocks: BlockSettings,
        seed: int,
        now: Callable[[], float] = monotonic,
        *,
        one_by_one: bool = False,
    ) -> None:
        self.waves: list[Wave] = []
        self.failures: dict[str, ArmFailure] = {}
        self.repeats = RepeatLimit()
        self.longest_wave_s = 0.0
        self._make = {**make, AA: make[best_baseline]}
        self._best_baseline = best_baseline
        self._metric = metric
        self._blocks = blocks
        self._rng = random.Random(seed)
        self._now = now
        self._one_by_one = one_by_one

    def run(
        self, schedule: WaveSchedule, deadline: float, latest_end: float, after_wave: Callable[[], None]
    ) -> None:
        """Run waves until the schedule is done or the next one would end after `deadline` (monotonic).

        Each wave gets an equal share of the time that is left: if starting takes longer than planned, processes
        run fewer rounds; if time is left in the end, further waves follow. As long as there are too few processes
        for a verdict, `latest_end` is the deadline instead. If failures leave nothing to compare, it ends.
        `after_wave` is called after each wave.
        """
        for done in range(max(schedule.processes, schedule.most)):
            started = self._now()
            end = deadline if done >= MIN_PROCESSES else latest_end
            if self._nothing_left or started + self.longest_wave_s > end:
                return
            share_s = max(0.0, deadline - started) / max(1, schedule.processes - done)
            self._run_wave(schedule, started + share_s)
            after_wave()
            self.longest_wave_s = max(self.longest_wave_s, self._now() - started)

    def shortest_budget_s(self, before_s: float) -> float | None:
        """Return a budget that holds the waves a verdict needs, if `before_s` of it passed before them.

        It is None if no wave has been run.
        """
        return before_s + SPARE_TIME * MIN_PROCESSES * self.longest_wave_s if self.waves else None

    def log_gains(self, key: str, baseline: str, metric: Metric | None = None) -> list[float]:
        """Return the log-gains of arm `key` against `baseline`, one per process; empty if either failed.

        They are those in the deciding objective, or in `metric`, for which only some rounds may hold samples.
        """
        metric = metric or self._metric
        both = [wave for wave in self.waves if key in wave and baseline in wave]
        pairs = [informative_rounds(metric, wave[key], wave[baseline]) for wave in both]
        return [log_gain(metric, mine, theirs) for mine, theirs in pairs if mine]

    def gain(self, key: str, baseline: str, metric: Metric | None = None) -> Interval:
        """Return how many times better arm `key` is than `baseline`, as the reported interval."""
        return t_interval(self.log_gains(key, baseline, metric), REPORTED_CONFIDENCE)

    @property
    def noise_floor(self) -> float:
        """The smallest ratio that could be proven here in the deciding objective."""
        return self.noise_floor_in(self._metric)

    def noise_floor_in(self, metric: Metric) -> float:
        """Return the smallest ratio that could be proven here in `metric`."""
        return noise_floor(self.log_gains(AA, self._best_baseline, metric))

    def metrics(self, key: str) -> dict[str, float]:
        """Return all metrics of arm `key`, over the blocks of all its processes."""
        return all_metrics([block for wave in self.waves for block in wave[key]])

    def rows(self, key: str) -> list[tuple[int, int, Block]]:
        """Return the blocks of arm `key`, each with the number of its process and round."""
        return [
            (process, round_, block)
            for process, wave in enumerate(self.waves)
            for round_, block in enumerate(wave[key])
        ]

    @property
    def fewest_samples(self) -> int:
        """The smallest number of samples of the deciding objective that an arm has in one process."""
        return self.fewest_samples_of(self._metric)

    def fewest_samples_of(self, metric: Metric) -> int:
        """Return the smallest number of samples of `metric` that an arm has in one process."""
        per_process = [
            sum(len(samples_of(metric, block)) for block in blocks)
            for wave in self.waves
            for blocks in wave.values()
        ]
        return min(per_process, default=0)

    @property
    def _nothing_left(self) -> bool:
        """Whether a process of the best baseline failed, or all other arms did."""
        pair = {self._best_baseline, AA}
        return bool(self.failures) and not (pair < self._make.keys() - self.failures.keys())

    def _run_wave(self, schedule: WaveSchedule, deadline: float) -> None:
        keys = [key for key in self._make if key not in self.failures]
        self._rng.shuffle(keys)  # so that the order of starts favours no arm
        arms = {key: self._make[key]() for key in keys}
        try:
            failed = start_together(list(arms.values()), self._one_by_one)
            self._drop({list(arms)[index]: failure for index, failure in failed.items()}, arms)
            wave: Wave = {key: [] for key in arms}
            for round_ in range(schedule.rounds):
                if round_ >= schedule.fewest and self._now() > deadline:
                    break
                results = run_round(arms, self._blocks, self._rng, self.repeats, round_)
                self._drop({key: r for key, r in results.items() if isinstance(r, ArmFailure)}, arms)
                for key, result in results.items():
                    if isinstance(result, Block):
                        wave[key].append(result)
            self.waves.append({key: wave[key] for key in arms})
        finally:
            stop_all(arms.values())

    def _drop(self, failures: Mapping[str, ArmFailure], arms: dict[str, Arm]) -> None:
        """Remove failed arms from this wave, from earlier waves, and from those to come."""
        for key, failure in failures.items():
            self.failures[key] = failure
            del arms[key]
            for wave in self.waves:
                wave.pop(key, None)
