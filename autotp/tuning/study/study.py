"""The interface of a study, the record of a tuning: one trial for each arm in each role."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.space.knobs.config import Config
from autotp.tuning.study.block_columns import Row


class Role(StrEnum):
    """Why an arm is measured."""

    BASELINE = "baseline"
    SEARCH = "search"
    FINAL = "final"
    ALIAS = "alias"  # found, once compiled, to be the same as another arm


class Trial(msgspec.Struct, frozen=True):
    """A handle of one trial that has begun; the study holds its data."""

    number: int


class PastTrial(msgspec.Struct, frozen=True):
    """A trial that has ended: its config, and its value in each objective (empty if it failed)."""

    number: int
    config: Config
    values: tuple[float, ...] = ()


class Study(Protocol):
    """Begins, describes and ends trials, and records facts about the whole tuning."""

    @property
    def lost(self) -> EnvironmentFailure | None:
        """Why nothing is recorded any more; None as long as everything is."""

    @property
    def trial_count(self) -> int:
        """How many trials there are, those of earlier calls included."""

    def propose(self) -> tuple[Trial, Config]:
        """Begin a trial of the search with a config that the proposer chooses."""

    def chance_of_better(self, by: float, beside: float) -> float | None:
        """Return the chance that anything not measured yet is `by` times better than the best; None if unknown.

        `beside` is the value of a baseline, which counts as measured.
        """

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial that the proposer doesn't learn from: a baseline, a final, or one that races again."""

    def begin_known(self, config: Config) -> Trial:
        """Begin a trial of the search with a given config: a usual first one, or the best of an earlier call."""

    def describe(self, trial: Trial, **attributes: Any) -> None:
        """Set attributes of `trial`, which hasn't ended; each value becomes plain JSON."""

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        """Record what OpenVINO made of the trial's config, beside what was predicted."""

    def alias(self, trial: Trial, of: int) -> None:
        """End `trial`, an alias of trial number `of`, with the values of that trial."""

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        """End `trial` with its metrics, by key, and its raw blocks."""

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """End `trial` as failed and record the failure."""

    def abandon(self) -> None:
        """End every trial that is still running as interrupted."""

    def heartbeat(self) -> None:
        """Record that this process is alive, if that is due."""

    def note(self, **attributes: Any) -> None:
        """Set attributes of the study; each value becomes plain JSON."""

    def noted(self, name: str) -> Any:
        """Return the attribute `name` of the study, None where it isn't set."""

    def finished(self, role: Role) -> list[PastTrial]:
        """Return the trials of `role` that ended with values."""

    def failed(self) -> list[PastTrial]:
        """Return the trials of the search whose arms failed, without those that were interrupted."""
