"""The interface of a proposer, which chooses the configs that the search measures."""

from typing import Any, Protocol

from autotp.space.knobs.config import Config


class Proposer(Protocol):
    """Proposes configs of one space, each effective config at most once."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to propose."""

    def holds(self, config: Config) -> bool:
        """Whether `config` may still be proposed: it is in the space, and no alias of it has been taken."""

    def take(self, config: Config) -> None:
        """Never propose `config` or an alias of it again."""

    def find(self, settings: dict[str, Any]) -> Config | None:
        """Return the simplest config with all of `settings` that may still be proposed; None without one."""

    def draw(self) -> Config:
        """Return a config, chosen at random, that may still be proposed; not for an exhausted proposer."""

    def learn(self, config: Config, failed: bool) -> None:
        """Learn whether measuring `config` failed."""
