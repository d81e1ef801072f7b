"""A study that outlives its storage: what was measured so far isn't lost with the database."""

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.space.knobs.config import Config
from autotp.tuning.budget import StoppableClock
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import PastTrial, Role, Study, Trial

R = TypeVar("R")

LONG_S = 1.0


class ResilientStudy:
    """Passes everything on to `recorded` until its storage fails; then the tuning goes on without a record.

    Without the storage, trials are only numbered, configs are proposed at random, and what was noted is kept in
    memory. `clock` stands still while the storage is waited for, so that a lock of another program doesn't use up
    the budget. `Study` describes the methods.
    """

    def __init__(self, recorded: Study, proposer: Proposer, clock: StoppableClock) -> None:
        self._recorded = recorded
        self._proposer = proposer
        self._clock = clock
        self._lost: EnvironmentFailure | None = None
        self._trials = recorded.trial_count
        self._notes: dict[str, Any] = {"tuned": recorded.noted("tuned")}

    @property
    def lost(self) -> EnvironmentFailure | None:
        return self._lost

    @property
    def trial_count(self) -> int:
        return self._trials

    def propose(self) -> tuple[Trial, Config]:
        trial, config = self._try(self._recorded.propose) or (self._numbered(), self._proposer.draw())
        return self._counted(trial), config

    def chance_of_better(self, by: float, beside: float) -> float | None:
        return self._try(lambda: self._recorded.chance_of_better(by, beside))

    def begin(self, role: Role, config: Config) -> Trial:
        return self._counted(self._try(lambda: self._recorded.begin(role, config)) or self._numbered())

    def begin_known(self, config: Config) -> Trial:
        return self._counted(self._try(lambda: self._recorded.begin_known(config)) or self._numbered())

    def describe(self, trial: Trial, **attributes: Any) -> None:
        self._try(lambda: self._recorded.describe(trial, **attributes))

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        self._try(lambda: self._recorded.describe_observed(trial, observed))

    def alias(self, trial: Trial, of: int) -> None:
        self._try(lambda: self._recorded.alias(trial, of))

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        self._try(lambda: self._recorded.complete(trial, metrics, rows))

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        self._try(lambda: self._recorded.fail(trial, failure))

    def abandon(self) -> None:
        self._try(self._recorded.abandon)

    def heartbeat(self) -> None:
        self._try(self._recorded.heartbeat)

    def note(self, **attributes: Any) -> None:
        self._notes.update(attributes)  # first, so that an interrupt while the storage is waited for finds it
        self._try(lambda: self._recorded.note(**attributes))

    def noted(self, name: str) -> Any:
        return self._notes[name] if name in self._notes else self._try(lambda: self._recorded.noted(name))

    def finished(self, role: Role) -> list[PastTrial]:
        return self._try(lambda: self._recorded.finished(role)) or []

    def failed(self) -> list[PastTrial]:
        return self._try(self._recorded.failed) or []

    def _try(self, action: Callable[[], R]) -> R | None:
        """Return what `action` returns; None if the storage fails or has failed before."""
        if self._lost is not None:
            return None
        began = monotonic()
        try:
            return action()
        except EnvironmentFailure as error:
            self._lost = error
            return None
        except KeyboardInterrupt as interrupt:
            if interrupt.__context__ is not None:  # it ended a wait, which mustn't begin again
                self._lost = EnvironmentFailure("The storage was locked when the tuning was stopped.")
            raise
        finally:
            if (took_s := monotonic() - began) > LONG_S:
                self._clock.set_back(took_s)

    def _numbered(self) -> Trial:
        return Trial(self._trials)

    def _counted(self, trial: Trial) -> Trial:
        self._trials = max(self._trials, trial.number + 1)
        return trial
