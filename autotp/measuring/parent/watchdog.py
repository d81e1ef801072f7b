"""How long each phase of a worker's life takes and may take.

A watchdog that fits every model would let a small one hang for minutes, so once the baselines have been measured
the limits are scaled by what they took: a phase that lasts ten times as long isn't slow, it hangs. Ten, because
arms start side by side on the same CPUs, more of them in a wave than among the baselines, and a neighbour may take
half of what is left.

A block ends with a turn of all its requests, and a deep queue is no hang: on the same CPUs 64 requests take 64
times as long as one. So what a block may take beyond its own length grows with the requests in flight.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import msgspec

from autotp.measuring.failure import Phase

TIMES_LONGER = 10.0
FLOOR_S = 10.0


class PhaseLimits(msgspec.Struct, frozen=True):
    """How many seconds each phase may take: `seconds`, or `a_request_s` for each request if that's more."""

    seconds: dict[Phase, float]
    a_request_s: dict[Phase, float] = {}

    def of(self, phase: Phase, requests: int = 1) -> float:
        """Return the seconds of `phase` with `requests` in flight."""
        return max(self.seconds[phase], requests * self.a_request_s.get(phase, 0.0))

    def scaled(self, took_s: dict[Phase, float]) -> "PhaseLimits":
        """Return limits of ten times what each phase took for a request at the longest, at least ten seconds."""
        return PhaseLimits(
            seconds={**self.seconds, **dict.fromkeys(took_s, FLOOR_S)},
            a_request_s={**self.a_request_s, **{phase: TIMES_LONGER * s for phase, s in took_s.items()}},
        )


UNSCALED_LIMITS = PhaseLimits(
    seconds={
        Phase.INSPECT: 600.0,
        Phase.START: 60.0,
        Phase.COMPILE: 1800.0,
        Phase.WARM_UP: 300.0,
        Phase.BLOCK: 300.0,
        Phase.PROOF: 300.0,
    },
    a_request_s={Phase.WARM_UP: 60.0, Phase.BLOCK: 60.0},
)


class PhaseClock:
    """Accounts for the tuner's waits for its workers.

    Attributes:
        limits: the watchdogs.
        spent_s: wall time that was waited, by phase, whatever came of it.
        longest_s: the longest wait of each phase that ended well, for each request in flight; of a block, beyond
            what it was asked to last.
    """

    def __init__(self) -> None:
        self.limits = UNSCALED_LIMITS
        self.spent_s = dict.fromkeys(Phase, 0.0)
        self.longest_s: dict[Phase, float] = {}

    @contextmanager
    def waiting(self, phase: Phase, requested_s: float = 0.0, requests: int = 1) -> Iterator[float]:
        """Account for a wait, of which the worker was asked to take `asked_s`; gives the deadline (monotonic)."""
        began = monotonic()
        try:
            yield began + requested_s + self.limits.of(phase, requests)
        finally:
            waited_s = monotonic() - began
            self.spent_s[phase] += waited_s
        beyond_s = max(0.0, waited_s - requested_s) / requests
        self.longest_s[phase] = max(self.longest_s.get(phase, 0.0), beyond_s)

    def tighten(self) -> None:
        """Scale the watchdogs by what the phases took so far."""
        self.limits = UNSCALED_LIMITS.scaled(self.longest_s)
