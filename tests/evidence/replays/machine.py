"""A machine that replays a recorded table: arms whose blocks are recorded ones, and a clock that costs nothing.

What is resampled comes in runs of consecutive rounds, so drift, autocorrelation and outliers stay. A round has
the level of a recorded round of the baseline. An arm of a row adds that row's gains over the baseline in
consecutive rounds of one of its processes, drawn when it starts, so processes keep their luck for life. The
baseline has one recorded process: each new one differs from it as much as a process of some row differs from
that row. Starts and blocks take as long as they took.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np

from autotp.findings.metric import Metric, Statistic
from autotp.measuring.jobs.observed import Outcome
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.space.knobs.config import Config
from tests.evidence.replays.recorded import Process, RecordedTable, Row
from tests.support.replayed import Clock
from tests.support.workerless import Workerless, WorkerlessBench, observed_as

ROOM = 8  # arms that fit into memory


class Part(NamedTuple):
    """What an arm does in a round: its log-gain over the recorded baseline, and how long its block takes."""

    log_gain: float
    block_s: float


class Parts(msgspec.Struct, frozen=True):
    """The rounds of one recorded process of an arm."""

    start_s: float
    rounds: tuple[Part, ...]


class RecordedMachine(msgspec.Struct, frozen=True, dict=True):
    """What arms of a recorded table do."""

    table: RecordedTable

    @cached_property
    def configs(self) -> tuple[Config, ...]:
        """The configs of the table's measured rows, in their order."""
        return tuple(Config.of(row.settings) for row in self.table.measured)

    @cached_property
    def hints(self) -> tuple[Config, ...]:
        """OpenVINO's hints, the best first."""
        return tuple(Config.of(row.settings) for row in self.table.hints)

    def draw(self, config: Config, rng: random.Random, again: bool) -> Parts:
        """Return a process of `config`; `again` is the second one of the best baseline in a wave."""
        if config != self.hints[0]:
            return rng.choice(self._processes[config])
        own = self._processes[config][0]
        strayed = rng.choice(self._strayed)
        if again:
            return Parts(own.start_s, strayed.rounds)
        level = float(np.median([part.log_gain for part in strayed.rounds]))
        return Parts(own.start_s, tuple(Part(level, part.block_s) for part in own.rounds))

    def level(self, rng: random.Random) -> "Level":
        """Return the baseline's values of a recorded process, beginning at some round."""
        return Level([process.baseline for row in self.table.measured for process in row.processes], rng)

    @cached_property
    def _processes(self) -> Mapping[Config, Sequence[Parts]]:
        rows = zip((*self.hints, *self.configs), (*self.table.hints, *self.table.measured), strict=True)
        return {config: [self._parts(process) for process in row.processes] for config, row in rows}

    @cached_property
    def _strayed(self) -> Sequence[Parts]:
        """How every process differed from its row, for arms that are the baseline."""
        own = self._processes[self.hints[0]][0]
        block_s = float(np.median([part.block_s for part in own.rounds]))
        found = []
        for config in self.configs:
            middle = float(np.median([part.log_gain for one in self._processes[config] for part in one.rounds]))
            for one in self._processes[config]:
                found.append(Parts(own.start_s, tuple(Part(p.log_gain - middle, block_s) for p in one.rounds)))
        return found

    def _parts(self, process: Process) -> Parts:
        gains = self.table.log_gains(Row(settings={}, processes=(process,)))
        return Parts(process.start_s, tuple(map(Part, gains.tolist(), process.block_s)))


class Level:
    """The baseline's value in each round: runs of recorded ones."""

    def __init__(self, runs: Sequence[Sequence[float]], rng: random.Random) -> None:
        self._runs, self._rng = runs, rng
        self.round = 0
        self._begin()

    def go_on(self) -> None:
        """Begin the next round."""
        self.round += 1
        self._at += 1
        if self._at == len(self._run):
            self._begin()

    @property
    def value(self) -> float:
        """The baseline's value in this round."""
        return self._run[self._at]

    def _begin(self) -> None:
        self._run = self._rng.choice(self._runs)
        self._at = self._rng.randrange(len(self._run))


class RecordedArm(Workerless):
    """An arm that replays a recorded process."""

    def __init__(
        self, parts: Parts, level: Level, metric: Metric, clock: Clock, rng: random.Random, workload: Any
    ) -> None:
        super().__init__(workload)
        self._parts, self._level, self._metric, self._clock = parts, level, metric, clock
        self._at = rng.randrange(len(parts.rounds))
        self._seen = level.round

    def warm_up(self) -> None:
        """Let the time pass that the process took to start."""
        self._clock.now_s += self._parts.start_s

    def block(self, run: Run) -> Block:
        """Return the next block, and let its time pass."""
        if self._seen == self._level.round:
            self._level.go_on()
        self._seen = self._level.round
        part = self._parts.rounds[self._at]
        self._at = (self._at + 1) % len(self._parts.rounds)
        self._clock.now_s += part.block_s
        return block_of(self._metric, self._metric.improved(self._level.value, float(np.exp(part.log_gain))), part)


def block_of(metric: Metric, value: float, part: Part) -> Block:
    """Return a block in which `metric` has this value."""
    if metric.statistic is Statistic.RATE:
        return Block(
            count=1,
            elapsed_s=1.0 / value,
            untimed_s=part.block_s - 1.0 / value,
            latencies_s=(1.0 / value,),
            second_tokens_s=(1.0 / value,),
            memory_bytes=1,
        )
    samples: dict[str, Any] = {f"{metric.samples}_s": (value,)}
    return Block(count=1, elapsed_s=value, untimed_s=part.block_s - value, memory_bytes=1, **samples)


class RecordedBench(WorkerlessBench):
    """Makes arms of a recorded table; those of the search share rounds, and so do those of a wave."""

    def __init__(self, machine: RecordedMachine, clock: Clock, rng: random.Random, workload: Any) -> None:
        self.arm_start_s = 0.0
        self._machine, self._clock, self._rng, self._workload = machine, clock, rng, workload
        self._search, self._wave = machine.level(rng), machine.level(rng)
        self._baselines_in_wave = 0

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm of the present wave, in which each second one of the best baseline is another process."""
        again = False
        if config == self._machine.hints[0]:
            self._baselines_in_wave += 1
            again = self._baselines_in_wave % 2 == 0
        return self._arm(config, self._wave, again)

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start arms of the search."""
        return [self._start(config) for config in configs]

    @property
    def room(self) -> int:
        """How many arms fit into memory."""
        return ROOM

    def _start(self, config: Config) -> tuple[Arm, Outcome]:
        known = config if config in (*self._machine.hints, *self._machine.configs) else self._machine.hints[0]
        arm = self._arm(known, self._search, again=False)
        before_s = self._clock.now_s
        arm.warm_up()
        self.arm_start_s = max(self.arm_start_s, self._clock.now_s - before_s)
        return arm, observed_as(known)

    def _arm(self, config: Config, level: Level, again: bool) -> RecordedArm:
        parts = self._machine.draw(config, self._rng, again)
        return RecordedArm(parts, level, self._machine.table.metric, self._clock, self._rng, self._workload)
