"""Searches over a table: ours, and what people would use instead.

Each is asked for the next row to measure, and told what that gave; no row is measured twice. `gp` is Optuna's, and
there where torch is installed, and `smac` where SMAC is; autotp needs neither.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState, create_trial

from autotp.tuning.propose.chooser import Chooser, Outcome
from autotp.tuning.propose.features import Column, Features


class Searcher(Protocol):
    """Chooses rows of a table one after the other."""

    def ask(self) -> int | None:
        """Return a row that hasn't been measured; None if the search has come to its end."""

    def tell(self, row: int, score: float) -> None:
        """Learn the score of the row that was asked for last; more is better."""


Make = Callable[[Sequence[Column], int], Searcher]  # the table's parameters, a seed


def available() -> dict[str, Make]:
    """Return the searches that can be replayed here, ours first."""
    found: dict[str, Make] = {"ours": Ours, "tpe": partial(WithOptuna, _tpe), "random": InOrder.at_random}
    if find_spec("torch"):
        found["gp"] = partial(WithOptuna, _gp)
    if find_spec("smac"):
        found["smac"] = WithSmac
    return found


def measured(searcher: Searcher, scores: Sequence[float] | NDArray[np.float64], evaluations: int) -> list[int]:
    """Return the rows that `searcher` measures, at most so many, in its order, if they have these `scores`."""
    order: list[int] = []
    while len(order) < min(evaluations, len(scores)) and (row := searcher.ask()) is not None:
        searcher.tell(row, float(scores[row]))
        order.append(row)
    return order


class Ours:
    """The proposer of `autotp tune`."""

    def __init__(self, columns: Sequence[Column], seed: int) -> None:
        self._chooser = Chooser(Features.of(columns), seed)
        self._outcomes: dict[int, Outcome] = {}
        self._left = np.arange(len(columns[0].codes))

    def ask(self) -> int | None:
        """Return the next row."""
        return self._chooser.choose(self._outcomes, (), self._left) if len(self._left) else None

    def tell(self, row: int, score: float) -> None:
        """Learn a score."""
        self._outcomes[row] = Outcome((score,))
        self._left = self._left[self._left != row]


class InOrder:
    """Rows in a given order, whatever they give."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = iter(order)

    @classmethod
    def at_random(cls, columns: Sequence[Column], seed: int) -> "InOrder":
        """Return a search in random order."""
        return cls(np.random.default_rng(seed).permutation(len(columns[0].codes)).tolist())

    @classmethod
    def of_the_grid(cls, columns: Sequence[Column], seed: int) -> "InOrder":
        """Return a search in the order of the table, from a row chosen by the seed on, round to where it began."""
        count = len(columns[0].codes)
        return cls(np.roll(np.arange(count), -int(np.random.default_rng(seed).integers(count))).tolist())

    def ask(self) -> int | None:
        """Return the next row."""
        return next(self._order, None)

    def tell(self, row: int, score: float) -> None:
        """Learn nothing."""


class HillClimb:
    """Steps to the best neighbour until none is better, as Triton Model Analyzer's quick search does.

    It was written from that tool's documentation of the quick search: it starts with the defaults, measures all
    neighbours of where it stands, and stops where none of them is better. Neighbours differ in one parameter, a
    number by one step.
    """

    def __init__(self, columns: Sequence[Column], seed: int) -> None:
        self._columns, self._rng = columns, np.random.default_rng(seed)
        self._scores: dict[int, float] = {}
        absent = sum(
            np.isin(column.codes, [i for i, level in enumerate(column.levels) if level is None])
            for column in columns
        )
        self._at = int(np.argmax(absent))
        self._places = [_places(column) for column in columns]

    def ask(self) -> int | None:
        """Return the next row."""
        if self._at not in self._scores:
            return self._at
        while True:
            near = self._neighbours(self._at)
            if open_ := [row for row in near if row not in self._scores]:
                return int(self._rng.choice(open_))
            best = max(near, key=lambda row: self._scores[row], default=self._at)
            if self._scores[best] <= self._scores[self._at]:
                return None
            self._at = best

    def tell(self, row: int, score: float) -> None:
        """Learn a score."""
        self._scores[row] = score

    def _neighbours(self, row: int) -> list[int]:
        away = np.zeros(len(self._columns[0].codes))
        for column, places in zip(self._columns, self._places, strict=True):
            if places is None:
                away += column.codes != column.codes[row]
            else:
                away += np.abs(places[column.codes] - places[column.codes[row]])
        return [int(found) for found in np.flatnonzero(away == 1.0)]


def _places(column: Column) -> NDArray[np.int64] | None:
    """Return the place of each level among the numbers, an absent one before all; None for other values."""
    known = [level for level in column.levels if level is not None]
    if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in known):
        return None
    ranks = {level: rank for rank, level in enumerate(sorted(known))}  # type: ignore[type-var]
    return np.array([-1 if level is None else ranks[level] for level in column.levels])


class WithOptuna:
    """What a sampler of Optuna suggests: the row nearest to it that hasn't been measured."""

    def __init__(self, make: Callable[[int], BaseSampler], columns: Sequence[Column], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(sampler=make(seed), direction="maximize")
        self._grid = _Grid(columns)
        self._trial: Trial | None = None

    def ask(self) -> int | None:
        """Return the next row."""
        if self._grid.is_empty:
            return None
        self._trial = self._study.ask(self._grid.distributions)
        return self._grid.nearest(self._trial.params)

    def tell(self, row: int, score: float) -> None:
        """Learn a score."""
        assert self._trial is not None
        parameters = self._grid.parameters(row)
        if parameters == self._trial.params:
            self._study.tell(self._trial, score)
            return
        self._study.tell(self._trial, state=TrialState.FAIL)
        distributions = self._grid.distributions
        self._study.add_trial(create_trial(params=parameters, distributions=distributions, value=score))


class WithSmac:
    """What SMAC suggests (its facade for hyperparameters): the row nearest to it that hasn't been measured."""

    def __init__(self, columns: Sequence[Column], seed: int) -> None:
        from ConfigSpace import Categorical, ConfigurationSpace, Integer
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        self._grid = _Grid(columns)
        self._space = ConfigurationSpace(seed=seed)
        for name, found in self._grid.distributions.items():
            if isinstance(found, IntDistribution):
                self._space.add(Integer(name, (found.low, found.high)))
            elif isinstance(found, CategoricalDistribution):
                self._space.add(Categorical(name, found.choices))
        self._folder = TemporaryDirectory(prefix="autotp-")
        scenario = Scenario(
            self._space,
            deterministic=True,
            n_trials=len(columns[0].codes),
            seed=seed,
            output_directory=Path(self._folder.name),
        )
        once = Facade.get_intensifier(scenario, max_config_calls=1)
        self._smac = Facade(scenario, _never_called, intensifier=once, overwrite=True, logging_level=False)
        self._asked: Any = None

    def ask(self) -> int | None:
        """Return the next row."""
        if self._grid.is_empty:
            return None
        self._asked = self._smac.ask()
        return self._grid.nearest({name: int(value) for name, value in dict(self._asked.config).items()})

    def tell(self, row: int, score: float) -> None:
        """Learn a score."""
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo, TrialValue

        measured = Configuration(self._space, values=self._grid.parameters(row))
        told = self._asked if measured == self._asked.config else TrialInfo(measured, seed=self._asked.seed)
        self._smac.tell(told, TrialValue(cost=-score), save=False)


def _never_called(config: object, seed: int = 0) -> float:
    raise AssertionError("SMAC is asked and told")


class _Grid:
    """A table as a sampler sees it: numbers are ordered, other values are categories."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.distributions: dict[str, BaseDistribution] = {}
        self._places: dict[str, NDArray[np.int64]] = {}
        self._open = np.full(len(columns[0].codes), True)
        for index, column in enumerate(columns):
            name, levels = str(index), column.levels
            if len(levels) > 1 and all(type(level) in (int, float) for level in levels):
                ranks = np.argsort(np.argsort(np.array(levels, dtype=float)))
                self._places[name] = ranks[column.codes]
                self.distributions[name] = IntDistribution(0, len(levels) - 1)
            elif len(levels) > 1:
                self._places[name] = np.asarray(column.codes, dtype=np.int64)
                self.distributions[name] = CategoricalDistribution(range(len(levels)))

    @property
    def is_empty(self) -> bool:
        """Whether every row has been measured."""
        return not self._open.any()

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
        return row


def _tpe(seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)


def _gp(seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)
