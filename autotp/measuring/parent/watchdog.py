"""Time limits of the phases of a worker, and how long each phase has taken.

With one limit for all models, a small model could hang for minutes unnoticed. So once the baselines have been
measured, the limits become ten times what each phase took. Ten, because arms start side by side on the same CPUs,
more of them in a wave than among the baselines, and other load may take half of the CPU time.

A block ends with a turn of all its requests, and 64 requests on the same CPUs take 64 times as long as one. So
what a block may take beyond its own length grows with the number of requests in flight.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import msgspec

from autotp.measuring.failure import Phase

TIMES_LONGER = 10.0
FLOOR_S = 10.0


class PhaseLimits(msgspec.Struct, frozen=True):
    """How long each phase may take: `seconds`, or `a_request_s` times the requests in flight if that is more."""

    seconds: dict[Phase, float]
    a_request_s: dict[Phase, float] = {}

    def of(self, phase: Phase, requests: int = 1) -> float:
        """Return the limit of `phase` in seconds with `requests` in flight."""
        return max(self.seconds[phase], requests * self.a_request_s.get(phase, 0.0))

    def scaled(self, took_s: dict[Phase, float]) -> "PhaseLimits":
        """Return ten times `took_s` (the longest time of each phase per request), at least ten seconds."""
        return PhaseLimits(
            seconds={**self.seconds, **dict.fromkeys(took_s, FLOOR_S)},
            a_request_s={**self.a_request_s, **{phase: TIMES_LONGER * s for phase, s in took_s.items()}},
        )


UNSCALED_LIMITS = PhaseLimits(
    seconds={
        Phase.INSPECT: 600.0,
        Phase.START: 60.0,
        Phase.COMPILE: 1800.0,
        Phase.INFERENCE: 1800.0,
        Phase.WARM_UP: 300.0,
        Phase.BLOCK: 300.0,
        Phase.PROOF: 300.0,
        Phase.PROFILE: 300.0,
    },
    a_request_s={Phase.WARM_UP: 60.0, Phase.BLOCK: 60.0},
)


class PhaseClock:
    """Limits and sums up the time that the tuner waits for its workers.

    Attributes:
        limits: the limits of the phases.
        spent_s: wall time waited, by phase, including failures.
        longest_s: the longest successful wait of each phase, divided by the requests in flight; of a block, only
            the time beyond its requested length.
    """

    def __init__(self) -> None:
        self.limits = UNSCALED_LIMITS
        self.spent_s = dict.fromkeys(Phase, 0.0)
        self.longest_s: dict[Phase, float] = {}

    @contextmanager
    def waiting(self, phase: Phase, requested_s: float = 0.0, requests: int = 1) -> Iterator[float]:
        """Measure a wait. Yields its deadline (monotonic): `requested_s` from now plus the limit of the phase."""
        began = monotonic()
        try:
            yield began + requested_s + self.limits.of(phase, requests)
        finally:
            waited_s = monotonic() - began
            self.spent_s[phase] += waited_s
        beyond_s = max(0.0, waited_s - requested_s) / requests
        self.longest_s[phase] = max(self.longest_s.get(phase, 0.0), beyond_s)

    def tighten(self) -> None:
        """Set the limits from how long the phases have taken so far."""
        self.limits = UNSCALED_LIMITS.scaled(self.longest_s)
