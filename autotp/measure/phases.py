"""How long each phase of a worker's life takes and may take.

A watchdog that fits every model would let a small one hang for minutes, so the limits are scaled by what the
baselines took: a phase that lasts ten times as long isn't slow, it hangs.
"""

import msgspec

from autotp.measure.protocol import Phase

_LONGEST_S = {
    Phase.INSPECT: 300.0,
    Phase.START: 60.0,
    Phase.COMPILE: 600.0,
    Phase.WARM_UP: 120.0,
    Phase.BLOCK: 60.0,
    Phase.PROOF: 120.0,
}
TIMES_LONGER = 10.0
FLOOR_S = 10.0


class Limits(msgspec.Struct, frozen=True):
    """How many seconds each phase may take; of a block, beyond what it was asked to last."""

    seconds: dict[Phase, float] = msgspec.field(default_factory=lambda: dict(_LONGEST_S))

    def of(self, phase: Phase) -> float:
        """Return the seconds of `phase`."""
        return self.seconds[phase]

    def scaled(self, took_s: dict[Phase, float]) -> "Limits":
        """Return limits of ten times what each phase took at the longest, at least ten seconds."""
        tighter = {phase: max(FLOOR_S, TIMES_LONGER * seconds) for phase, seconds in took_s.items()}
        return Limits({phase: min(tighter.get(phase, limit), limit) for phase, limit in self.seconds.items()})


class PhaseClock:
    """Accounts for the tuner's waits for its workers.

    Attributes:
        limits: the watchdogs.
        spent_s: wall time that was waited, by phase.
        longest_s: the longest wait of each phase; of a block, beyond what it was asked to last.
    """

    def __init__(self) -> None:
        self.limits = Limits()
        self.spent_s = dict.fromkeys(Phase, 0.0)
        self.longest_s: dict[Phase, float] = {}

    def note(self, phase: Phase, waited_s: float, asked_s: float = 0.0) -> None:
        """Account for a wait of `waited_s` for a worker that was asked to take `asked_s` of them."""
        self.spent_s[phase] += waited_s
        self.longest_s[phase] = max(self.longest_s.get(phase, 0.0), waited_s - asked_s)

    def tighten(self) -> None:
        """Scale the watchdogs by what the phases took so far."""
        self.limits = Limits().scaled(self.longest_s)
