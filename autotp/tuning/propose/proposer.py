"""What proposes configs to measure, as the search knows it."""

from typing import Any, Protocol

from autotp.space import Config


class Proposer(Protocol):
    """Names configs of one space, each effective config at most once."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to propose."""

    def holds(self, config: Config) -> bool:
        """Whether `config` may still be proposed: it is in the space, and neither it nor an alias was taken."""

    def take(self, config: Config) -> None:
        """Never propose `config` or an alias of it again."""

    def find(self, settings: dict[str, Any]) -> Config | None:
        """Return a config that may still be proposed and has all of `settings`, the simplest; None without one."""

    def learn(self, config: Config, failed: bool) -> None:
        """Note how measuring `config` ended."""
