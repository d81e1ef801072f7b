"""The wall time that a tuning may take, on a clock of its own."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import msgspec


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time that has begun.

    Attributes:
        total_s: how long it is.
        now: the clock, in seconds from anywhere.
        began_s: when it began, on that clock.
        began: the same as an ISO date and time in UTC.
    """

    total_s: float
    now: Callable[[], float]
    began_s: float
    began: str

    @classmethod
    def start(cls, total_s: float, now: Callable[[], float] = monotonic) -> "Budget":
        """Return a budget that begins now."""
        return cls(total_s=total_s, now=now, began_s=now(), began=datetime.now(UTC).isoformat(timespec="seconds"))

    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return self.now() - self.began_s

    def at(self, share: float) -> float:
        """Return the time on the clock at which `share` of the budget is used."""
        return self.began_s + share * self.total_s
