"""Searches over a table: ours, and what people would use instead.

Each returns the rows in the order in which it measures them, each row once. `gp` is Optuna's, and there where
torch is installed, which autotp doesn't need.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState, create_trial

from autotp.tuning.propose.chooser import Chooser, Outcome
from tests.evidence.replays.tables import Table

Search = Callable[[Table, int, int], list[int]]  # table, evaluations, seed


def ours(table: Table, evaluations: int, seed: int) -> list[int]:
    """Measure what the proposer of `autotp tune` chooses."""
    chooser = Chooser(table.features, seed)
    outcomes: dict[int, Outcome] = {}
    left = np.arange(len(table.values))
    for _ in range(min(evaluations, len(left))):
        row = chooser.choose(outcomes, (), left)
        outcomes[row] = Outcome((float(table.scores[row]),))
        left = left[left != row]
    return list(outcomes)


def random(table: Table, evaluations: int, seed: int) -> list[int]:
    """Measure rows at random."""
    order = np.random.default_rng(seed).permutation(len(table.values))
    return [int(row) for row in order[:evaluations]]


def with_optuna(make: Callable[[int], BaseSampler], table: Table, evaluations: int, seed: int) -> list[int]:
    """Measure what a sampler of Optuna suggests: the row nearest to it that hasn't been measured."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=make(seed), direction="maximize")
    grid = _Grid(table)
    while len(grid.measured) < min(evaluations, len(table.values)):
        trial = study.ask(grid.distributions)
        row = grid.nearest(trial.params)
        if grid.parameters(row) == trial.params:
            study.tell(trial, float(table.scores[row]))
            continue
        study.tell(trial, state=TrialState.FAIL)
        value, parameters = float(table.scores[row]), grid.parameters(row)
        study.add_trial(create_trial(params=parameters, distributions=grid.distributions, value=value))
    return grid.measured


class _Grid:
    """A table as a sampler sees it: numbers are ordered, other values are categories."""

    def __init__(self, table: Table) -> None:
        self.measured: list[int] = []
        self.distributions: dict[str, BaseDistribution] = {}
        self._places: dict[str, np.ndarray] = {}
        self._open = np.full(len(table.values), True)
        for index, column in enumerate(table.columns):
            name, levels = f"{index} {table.names[index]}", column.levels
            if len(levels) > 1 and all(isinstance(level, float) for level in levels):
                ranks = np.argsort(np.argsort(np.array(levels, dtype=float)))
                self._places[name] = ranks[column.codes]
                self.distributions[name] = IntDistribution(0, len(levels) - 1)
            elif len(levels) > 1:
                self._places[name] = column.codes
                self.distributions[name] = CategoricalDistribution(range(len(levels)))

    def parameters(self, row: int) -> dict[str, int]:
        """Return the parameters of `row`."""
        return {name: int(places[row]) for name, places in self._places.items()}

    def nearest(self, parameters: Mapping[str, int]) -> int:
        """Return the row that is nearest to `parameters` and hasn't been measured, and count it as measured."""
        away = np.zeros(len(self._open))
        for name, places in self._places.items():
            distribution = self.distributions[name]
            if isinstance(distribution, IntDistribution):
                away += np.abs(places - parameters[name]) / distribution.high
            else:
                away += places != parameters[name]
        row = int(np.where(self._open, away, np.inf).argmin())
        self._open[row] = False
        self.measured.append(row)
        return row


def _tpe(seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _gp(seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def available() -> dict[str, Search]:
    """Return the searches that can be replayed here, ours first."""
    found: dict[str, Search] = {"ours": ours, "tpe": partial(with_optuna, _tpe), "random": random}
    if find_spec("torch"):
        found["gp"] = partial(with_optuna, _gp)
    return found
