"""The proposer for real tunings: an Optuna sampler over the effective configs of a bound space.

A `Chooser` picks among those that weren't measured yet and lie outside of the regions that failed. It learns from
the study's finished trials, those of earlier calls included.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from threadpoolctl import threadpool_limits

from autotp.space.bound_space import BoundSpace
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import BoundKnob, Choice, choose
from autotp.tuning.propose.chooser import Chooser, Outcome
from autotp.tuning.propose.features import Column, Features

FAILURES_TO_AVOID = 2


class SpaceSampler(BaseSampler):
    """An Optuna sampler whose samples are complete configs that are new; also a `Proposer`, described there."""

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

    def suggest(self, trial: Trial) -> Config:
        """Let `trial` suggest every active knob and return the config."""
        choices: dict[str, Choice] = {}
        chosen: dict[str, Choice] = {}
        for knob in self._bound.knobs:
            if knob.active(chosen):
                label = trial.suggest_categorical(knob.name, [_label(choice) for choice in knob.choices])
                choices[knob.name] = _choice(knob, label)
            choice = choices.get(knob.name)
            chosen[knob.name] = None if choice is None else knob.value(choice, chosen)
        return choose(self._bound.knobs, choices)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all knobs for a trial to be proposed, and none for one that was enqueued with its config."""
        if "role" in trial.user_attrs:
            return {}
        return {knob.name: _distribution(knob) for knob in self._bound.knobs}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of the config that the chooser picks."""
        if not search_space:
            return {}
        outcomes, pending = self._known(study)
        with _one_thread():
            chosen = self._chooser.choose(outcomes, pending, np.flatnonzero(self._candidates()))
        return self.parameters(self._config(chosen))

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

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Choose at random; reached only for parameters that an enqueued trial didn't fix."""
        assert isinstance(param_distribution, CategoricalDistribution)
        return self._rng.choice(param_distribution.choices)

    def _column(self, knob: BoundKnob) -> Column:
        """Return the choices of `knob`, and None for "inactive", and which of them each effective config has."""
        codes = self._bound.grid.choices_of(knob.name)[self._rows]
        return Column((*knob.choices, None), np.where(codes < 0, len(knob.choices), codes))

    def _number_of(self, trial: FrozenTrial) -> int | None:
        """Return the number of the effective config that `trial` measures; None if it isn't in the space."""
        if trial.number not in self._number_of_trial:
            if not trial.params and "config" not in trial.user_attrs:
                return None  # it is only being proposed
            self._number_of_trial[trial.number] = self._bound.number(self._measured_in(trial))
        return self._number_of_trial[trial.number]

    def _outcome_of(self, trial: FrozenTrial, directions: list[StudyDirection]) -> Outcome:
        """Return what `trial`, which is finished, measured."""
        if trial.number not in self._outcome_of_trial:
            values = tuple(map(_scaled, trial.values, directions))
            excess = max(trial.constraints.values(), default=0.0)
            self._outcome_of_trial[trial.number] = Outcome(values, excess)
        return self._outcome_of_trial[trial.number]

    def _measured_in(self, trial: FrozenTrial) -> Config:
        """Return the config that `trial` measures: a baseline's or a final's isn't in Optuna's parameters."""
        if "config" in trial.user_attrs:
            return Config.of(trial.user_attrs["config"])
        chosen = {
            knob.name: _choice(knob, trial.params[knob.name])
            for knob in self._bound.knobs
            if knob.name in trial.params
        }
        return choose(self._bound.knobs, chosen)

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


def _distribution(knob: BoundKnob) -> CategoricalDistribution:
    return CategoricalDistribution([_label(choice) for choice in knob.choices])


def _label(choice: Choice) -> Any:
    """Return `choice` in a form that Optuna can store; a list of nodes becomes JSON text."""
    return json.dumps(choice) if isinstance(choice, tuple) else choice


def _choice(knob: BoundKnob, label: Any) -> Choice:
    return next(choice for choice in knob.choices if _label(choice) == label)
