"""The budget of a tuning: its wall time, and how much of it is used."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import msgspec


class StoppableClock:
    """A clock, in seconds since an arbitrary moment, that can be set back by time that isn't to count."""

    def __init__(self) -> None:
        self._set_back_s = 0.0

    def __call__(self) -> float:
        """Return the time on this clock."""
        return monotonic() - self._set_back_s

    def set_back(self, seconds: float) -> None:
        """Leave out the last `seconds`."""
        self._set_back_s += seconds


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A span of wall time that has started.

    Attributes:
        total_s: its length.
        now: the clock; returns seconds since an arbitrary moment.
        started_s: its start on that clock.
        started: its start as an ISO date and time in UTC.
    """

    total_s: float
    now: Callable[[], float]
    started_s: float
    started: str

    @classmethod
    def start(cls, total_s: float, now: Callable[[], float] = monotonic) -> "Budget":
        """Return a budget that starts now."""
        return cls(
            total_s=total_s, now=now, started_s=now(), started=datetime.now(UTC).isoformat(timespec="seconds")
        )

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return self.now() - self.started_s

    def at(self, share: float) -> float:
        """Return the time on the clock at which `share` of the budget is used."""
        return self.started_s + share * self.total_s
