"""The record of a tuning, as its stages know it: one trial for each arm in each role."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.space import Config
from autotp.tuning.study.block_columns import Row


class Role(StrEnum):
    """Why an arm is measured."""

    BASELINE = "baseline"
    SEARCH = "search"
    FINAL = "final"
    ALIAS = "alias"  # only the compile showed that it is another arm


class Trial(msgspec.Struct, frozen=True):
    """A handle of one trial that has begun; its study knows the rest."""

    number: int


class PastTrial(msgspec.Struct, frozen=True):
    """A trial that has ended: its config, and its value in each objective, none if it failed."""

    number: int
    config: Config
    values: tuple[float, ...] = ()


class Study(Protocol):
    """Begins, describes and ends trials, and remembers facts of the whole tuning.

    Every method of a study in a database raises EnvironmentFailure where that can't be reached.
    """

    @property
    def trial_count(self) -> int:
        """How many trials there are, those of earlier calls included."""

    def propose(self) -> tuple[Trial, Config]:
        """Begin a trial of the search with a config that the proposer chooses."""

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial that the proposer doesn't learn from: a baseline, a final, or one that races again."""

    def begin_known(self, config: Config) -> Trial:
        """Begin a trial of the search whose config is known: a recipe, or the best of an earlier call."""

    def describe(self, trial: Trial, **attributes: Any) -> None:
        """Set attributes of `trial`, which hasn't ended; each value becomes plain JSON."""

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        """Record what OpenVINO made of the trial's config, beside what was predicted."""

    def alias(self, trial: Trial, of: int) -> None:
        """End `trial`, which turned out to be the same as trial number `of`, with that one's values."""

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        """End `trial` with its metrics, by key, and its raw blocks."""

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """End `trial` with what is known of the failure."""

    def abandon(self) -> None:
        """End every trial that is still running as interrupted."""

    def beat(self) -> None:
        """Record that this process is alive, where that is due."""

    def note(self, **attributes: Any) -> None:
        """Set attributes of the study; each value becomes plain JSON."""

    def noted(self, name: str) -> Any:
        """Return the attribute `name` of the study, None where it isn't set."""

    def finished(self, role: Role) -> list[PastTrial]:
        """Return the trials of `role` that ended with values."""

    def failed(self) -> list[PastTrial]:
        """Return the trials of the search whose arms failed, so not those cut short."""
