"""A whole tuning on a recorded table: the real stages and proposer, on a machine that replays the table."""

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import log
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.space.knobs.config import Config
from autotp.tuning.events import Event, FinalsBegan
from autotp.tuning.propose.chooser import Chooser, Outcome
from autotp.tuning.propose.features import Column, Features
from autotp.tuning.study.block_columns import Row as BlockRow
from autotp.tuning.study.study import Role, Trial
from tests.evidence.replays.machine import RecordedBench, RecordedMachine
from tests.evidence.replays.recorded import RecordedTable
from tests.support.replayed import Clock
from tests.support.simulated import (
    ListedProposer,
    SimulatedStudy,
    assembled,
    run_simulated,
    simulated_request,
)


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What a replayed tuning found.

    Attributes:
        row: the measured row of the table that it ships; None for OpenVINO's hint.
        found: the row that the search found to be the best, before anything was proven; None without one.
        cost_s: how long it took.
        search_s: how long that was until the finals.
        measured: how many configs the search measured.
    """

    row: int | None
    found: int | None
    cost_s: float
    search_s: float
    measured: int


class RecordedSpace(msgspec.Struct, frozen=True, dict=True):
    """A recorded table with where its configs lie."""

    machine: RecordedMachine

    @property
    def table(self) -> RecordedTable:
        """The table."""
        return self.machine.table

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The knobs, each with a code for each measured row."""
        names = list(dict.fromkeys(name for row in self.table.measured for name in row.settings))
        return tuple(self._column(name) for name in names)

    @cached_property
    def features(self) -> Features:
        """Where the measured rows lie."""
        return Features.of(self.columns)

    @cached_property
    def number(self) -> Mapping[Config, int]:
        """The number of each config's row."""
        return {config: number for number, config in enumerate(self.machine.configs)}

    def _column(self, name: str) -> Column:
        levels: dict[object, int] = {}
        codes = [levels.setdefault(row.settings.get(name), len(levels)) for row in self.table.measured]
        return Column(tuple(levels), np.array(codes, dtype=np.int64))


class RecordedProposer(ListedProposer):
    """Proposes the rows of a table that weren't taken."""

    def __init__(self, space: RecordedSpace, seed: int) -> None:
        super().__init__(space.machine.configs)
        self._rng = random.Random(seed)

    def find(self, settings: dict[str, Any]) -> Config | None:
        """Return the open config with all of `settings` and the fewest other knobs set."""
        having = [config for config in self.left if settings.items() <= config.to_dict().items()]
        return min(having, key=lambda config: len(config.to_dict()), default=None)

    def draw(self) -> Config:
        """Return an open config at random."""
        return self._rng.choice(self.left)


class RecordedStudy(SimulatedStudy):
    """A study in memory whose proposals are those of the real chooser."""

    def __init__(self, space: RecordedSpace, proposer: RecordedProposer, maximize: bool, seed: int) -> None:
        super().__init__(proposer)
        self._space, self._open = space, proposer
        self._sign = 1.0 if maximize else -1.0
        self._chooser = Chooser(space.features, seed)
        self._outcomes: dict[int, Outcome] = {}

    def propose(self) -> tuple[Trial, Config]:
        """Begin a trial of what the chooser picks."""
        left = np.array([self._space.number[config] for config in self._open.left], dtype=np.int64)
        row = self._chooser.choose(self._outcomes, self._pending, left)
        config = self._space.machine.configs[row]
        return self.begin(Role.SEARCH, config), config

    def chance_of_better(self, by: float, beside: float) -> float | None:
        """Return what the chooser says."""
        numbers = {*(self._space.number[config] for config in self._open.left), *self._pending}
        left = np.array(sorted(numbers), dtype=np.int64)
        return self._chooser.chance_of_better(self._outcomes, left, log(by), self._sign * log(beside))

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[BlockRow]) -> None:
        """Learn the value of a config."""
        number = self._space.number.get(self.trials[trial.number].config)
        if number is not None:
            key = self._space.table.metric.key
            self._outcomes[number] = Outcome((self._sign * log(metrics[key]),))

    @property
    def _pending(self) -> list[int]:
        begun = (self._space.number.get(trial.config) for trial in self.trials if trial.role is Role.SEARCH)
        return [number for number in begun if number is not None and number not in self._outcomes]


def tune(space: RecordedSpace, budget_s: float, seed: int, model: Path, out: Path) -> Replay:
    """Replay a tuning of so many recorded seconds.

    Args:
        space: the table.
        budget_s: its budget.
        seed: of all random numbers.
        model: a model file; it is hashed, not run.
        out: the folder that tuned.yaml is written to.
    """
    table, rng, clock = space.table, random.Random(seed), Clock()
    workload = ClosedLoop(seed=seed)
    proposer = RecordedProposer(space, seed)
    study = RecordedStudy(space, proposer, table.metric.maximize, seed)
    bench = RecordedBench(space.machine, clock, rng, workload)
    request = simulated_request(model, out, seed, objectives=(table.metric,), budget_s=budget_s, workload=workload)
    tuning = assembled(request, clock, bench, proposer, study)
    searched_s: list[float] = []
    found: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, FinalsBegan):
            searched_s.append(clock.now_s)
            found.extend(space.number[Config.of(config)] for config in event.finalists[:1])

    tuning.session.emit = listen
    winner = run_simulated(tuning).verdict.winner
    searched = {trial.config for trial in study.trials if trial.role is Role.SEARCH}
    return Replay(
        row=None if winner is None else space.number[winner.config],
        found=found[0] if found else None,
        cost_s=clock.now_s,
        search_s=searched_s[0] if searched_s else clock.now_s,
        measured=len(searched),
    )
