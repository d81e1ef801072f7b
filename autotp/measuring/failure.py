"""How an arm fails: a failure is data, with its status, the phase of the worker, and the end of its log."""

from enum import StrEnum

from autotp.errors import AutotpError, EnvironmentFailure, InputError


class Status(StrEnum):
    """How an arm ended; a failure is data, never a sentinel score."""

    OK = "OK"
    INVALID = "INVALID"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    WRONG_OUTPUT = "WRONG_OUTPUT"


class Phase(StrEnum):
    """What a worker was doing; each phase has its own watchdog."""

    INSPECT = "inspect"
    START = "start"
    COMPILE = "compile"
    WARM_UP = "warm-up"
    BLOCK = "block"
    PROOF = "proof"


class ArmFailure(Exception):
    """An arm's worker failed; carries what the study records."""

    def __init__(self, status: Status, phase: Phase, message: str, log_tail: str = "") -> None:
        super().__init__(f"{status} in {phase}: {message.rstrip('.')}")
        self.status = status
        self.phase = phase
        self.message = message
        self.log_tail = log_tail

    def as_error(self, sentence: str, kind: type[AutotpError] = InputError) -> AutotpError:
        """Return the error of `kind` that says `sentence` and why, or where no worker could start, just that."""
        if self.phase is Phase.START:
            return EnvironmentFailure(f"No worker can be started: {self}.")
        return kind(f"{sentence}: {self}.")
