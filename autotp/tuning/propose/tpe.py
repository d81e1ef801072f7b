"""The proposer for real tunings: TPE over the bound space, limited to runnable configs not measured yet.

TPE (Bergstra et al., NeurIPS 2011; Watanabe, arXiv:2304.11127) doesn't know about aliases and learns nothing from
failures. So samples are drawn from it until one is a new effective config outside of the regions that failed.
"""

import json
import random
import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from autotp.space.bound_space import BoundSpace
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import BoundKnob, Choice, choose

DRAWS = 30
FAILURES_TO_AVOID = 2


class TpeProposer(BaseSampler):
    """An Optuna sampler whose samples are complete configs that are new; also a `Proposer`, described there."""

    def __init__(self, bound: BoundSpace, seed: int) -> None:
        self._bound = bound
        self._rows = bound.merged.rows  # of the effective configs in the space's grid
        self._open = np.full(len(self._rows), True)
        self._rng = random.Random(seed)
        self._failures: Counter[tuple[str, Choice]] = Counter()
        self._successes: Counter[tuple[str, Choice]] = Counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._tpe = TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)

    @property
    def exhausted(self) -> bool:
        """Whether every effective config has been taken or lies in a failed region."""
        return not self._candidates().any()

    def holds(self, config: Config) -> bool:
        return self._is_open(config) and self._bound.grid.holds(config)

    def take(self, config: Config) -> None:
        if (number := self._number(config)) is not None:
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
        self._tpe_space = self._tpe.infer_relative_search_space(study, trial)
        return {knob.name: _distribution(knob) for knob in self._bound.knobs}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw from TPE until the config is new; after `DRAWS` attempts, pick one that is left at random."""
        if not search_space:
            return {}
        for _ in range(DRAWS):
            parameters = self._draw(study, trial)
            config = choose(self._bound.knobs, self._choices(parameters))
            if self._is_open(config) and not self._failing(config.settings):
                return parameters
        return self.parameters(self.draw())

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Delegate to TPE; reached only for parameters that an enqueued trial didn't fix."""
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._tpe.after_trial(study, trial, state, values)

    def _draw(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        relative = self._tpe.sample_relative(study, trial, self._tpe_space)
        chosen: dict[str, Choice] = {}
        drawn: dict[str, Any] = {}
        for knob in self._bound.knobs:
            if not knob.active(chosen):
                continue
            name, distribution = knob.name, _distribution(knob)
            drawn[name] = (
                relative[name]
                if name in relative
                else self._tpe.sample_independent(study, trial, name, distribution)
            )
            choice = _choice(knob, drawn[name])
            chosen[name] = None if choice is None else knob.value(choice, chosen)
        return drawn

    def _choices(self, parameters: dict[str, Any]) -> dict[str, Choice]:
        return {k.name: _choice(k, parameters[k.name]) for k in self._bound.knobs if k.name in parameters}

    def _number(self, config: Config) -> int | None:
        """Return the number of the effective config of `config`; None if it can't run or isn't in the space."""
        if self._bound.why_not(config) is not None:
            return None
        return self._bound.merged.find(self._bound.predictor.identity(config))

    def _is_open(self, config: Config) -> bool:
        number = self._number(config)
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


def _distribution(knob: BoundKnob) -> CategoricalDistribution:
    return CategoricalDistribution([_label(choice) for choice in knob.choices])


def _label(choice: Choice) -> Any:
    """Return `choice` in a form that Optuna can store; a list of nodes becomes JSON text."""
    return json.dumps(choice) if isinstance(choice, tuple) else choice


def _choice(knob: BoundKnob, label: Any) -> Choice:
    return next(choice for choice in knob.choices if _label(choice) == label)
