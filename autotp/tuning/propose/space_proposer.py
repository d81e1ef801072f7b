"""The proposer for real tunings, over the effective configs of a bound space.

A `Chooser` picks among those that weren't measured yet and lie outside of the regions that failed. It learns from
the study's finished trials, those of earlier calls included. It is no sampler of Optuna's, which are asked for one
parameter after the other, and store each in a transaction of its own: a config is chosen and stored as a whole.
"""

import json
import random
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import threadpool_limits

from autotp.space.bound_space import BoundSpace
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import BoundKnob, Choice
from autotp.tuning.propose.chooser import Chooser, Outcome
from autotp.tuning.propose.features import Column, Features

FAILURES_TO_AVOID = 2


class SpaceProposer:
    """A `Proposer`, described there, that learns from a study of Optuna's."""

    def __init__(self, bound: BoundSpace, seed: int) -> None:
        self._bound = bound
        self._rows = bound.merged.rows  # of the effective configs in the space's grid
        self._open = np.full(len(self._rows), True)
        self._rng = random.Random(seed)
        self._failures: Counter[tuple[str, Choice]] = Counter()
        self._successes: Counter[tuple[str, Choice]] = Counter()
        self._chooser = Chooser(Features.of([self._column(knob) for knob in bound.knobs]), seed)
        self._number_of_trial: dict[int, int | None] = {}
        self._outcome_of_trial: dict[int, Outcome] = {}

    @property
    def exhausted(self) -> bool:
        """Whether every effective config has been taken or lies in a failed region."""
        return not self._candidates().any()

    def holds(self, config: Config) -> bool:
        return self._is_open(config) and self._bound.grid.holds(config)

    def take(self, config: Config) -> None:
        if (number := self._bound.number(config)) is not None:
            self._open[number] = False

    def learn(self, config: Config, failed: bool) -> None:
        """Learn whether `config` failed; a value that failed twice and never worked isn't proposed again."""
        (self._failures if failed else self._successes).update(config.settings)

    def find(self, settings: dict[str, Any]) -> Config | None:
        """Return the open config with all of `settings` and the fewest other knobs set; None without one."""
        matching = np.flatnonzero(self._open & self._having(settings.items()))
        if not len(matching):
            return None
        knobs_set = self._bound.grid.knobs_set()[self._rows[matching]]
        return self._config(matching[knobs_set.argmin()])

    def draw(self) -> Config:
        return self._config(self._rng.choice(np.flatnonzero(self._candidates()).tolist()))

    def parameters(self, config: Config) -> dict[str, Any]:
        """Return Optuna's parameters for `config`, which must come from this space."""
        chosen: dict[str, Choice] = {}
        parameters: dict[str, Any] = {}
        for knob in self._bound.knobs:
            value = config.get(knob.name)
            chosen[knob.name] = value
            if knob.active(chosen):
                choice = next((c for c in knob.choices if c is not None and knob.value(c, chosen) == value), None)
                parameters[knob.name] = _label(choice)
        return parameters

    def distributions(self, parameters: Collection[str]) -> dict[str, BaseDistribution]:
        """Return the distribution of each of `parameters`, as Optuna stores it with a trial."""
        return {
            knob.name: CategoricalDistribution([_label(choice) for choice in knob.choices])
            for knob in self._bound.knobs
            if knob.name in parameters
        }

    def choose(self, study: Study) -> Config:
        """Return the config to measure next, by what `study` holds; not for an exhausted proposer."""
        outcomes, pending = self._known(study)
        with _one_thread():
            return self._config(self._chooser.choose(outcomes, pending, np.flatnonzero(self._candidates())))

    def chance_of_better(self, study: Study, by: float, beside: float) -> float | None:
        """Return the chance that something not measured to the end is `by` times better than the best measured.

        The value `beside`, of a baseline, counts as measured. None while that can't be said.
        """
        outcomes, pending = self._known(study)
        left = np.union1d(np.flatnonzero(self._candidates()), np.array(pending, dtype=np.int64))
        with _one_thread():
            return self._chooser.chance_of_better(outcomes, left, log(by), _scaled(beside, study.directions[0]))

    def _known(self, study: Study) -> tuple[dict[int, Outcome], list[int]]:
        """Return what `study` says of effective configs, by number, and which are only being measured."""
        outcomes: dict[int, Outcome] = {}
        pending: list[int] = []
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING)):
            number = self._number_of(trial)
            if number is None:
                continue
            if trial.state is TrialState.RUNNING:
                pending.append(number)
            else:
                outcomes[number] = self._outcome_of(trial, study.directions)
        return outcomes, [number for number in pending if number not in outcomes]

    def _column(self, knob: BoundKnob) -> Column:
        """Return the choices of `knob`, and None for "inactive", and which of them each effective config has."""
        codes = self._bound.grid.choices_of(knob.name)[self._rows]
        return Column((*knob.choices, None), np.where(codes < 0, len(knob.choices), codes))

    def _number_of(self, trial: FrozenTrial) -> int | None:
        """Return the number of the effective config that `trial` measures; None if it isn't in the space."""
        if trial.number not in self._number_of_trial:
            config = trial.user_attrs.get("config")
            self._number_of_trial[trial.number] = None if config is None else self._bound.number(Config.of(config))
        return self._number_of_trial[trial.number]

    def _outcome_of(self, trial: FrozenTrial, directions: list[StudyDirection]) -> Outcome:
        """Return what `trial`, which is finished, measured."""
        if trial.number not in self._outcome_of_trial:
            values = tuple(map(_scaled, trial.values, directions))
            excess = max(trial.constraints.values(), default=0.0)
            self._outcome_of_trial[trial.number] = Outcome(values, excess)
        return self._outcome_of_trial[trial.number]

    def _is_open(self, config: Config) -> bool:
        number = self._bound.number(config)
        return number is not None and bool(self._open[number])

    def _candidates(self) -> npt.NDArray[np.bool_]:
        """Return which effective configs are open and outside of failed regions."""
        found = self._open.copy()
        for setting in self._failing(tuple(self._failures)):
            found &= ~self._having((setting,))
        return found

    def _failing(self, settings: Iterable[tuple[str, Choice]]) -> list[tuple[str, Choice]]:
        return [s for s in settings if self._failures[s] >= FAILURES_TO_AVOID and not self._successes[s]]

    def _having(self, settings: Iterable[tuple[str, object]]) -> npt.NDArray[np.bool_]:
        return self._bound.grid.having(settings)[self._rows]

    def _config(self, number: int) -> Config:
        return self._bound.grid.config(int(self._rows[number]))


def _one_thread() -> AbstractContextManager[Any]:
    """Compute with one thread in the `with` block: matrices are small, and other programs may use the cores."""
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def _scaled(value: float, direction: StudyDirection) -> float:
    """Return a logarithm that is to be maximised, so that differences are ratios."""
    return log(value) if direction is StudyDirection.MAXIMIZE else -log(value)


def _label(choice: Choice) -> Any:
    """Return `choice` in a form that Optuna can store; a list of nodes becomes JSON text."""
    return json.dumps(choice) if isinstance(choice, tuple) else choice
