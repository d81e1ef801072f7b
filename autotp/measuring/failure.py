"""The failure of an arm: its status, the phase in which its worker failed, and the end of the worker's output."""

from enum import StrEnum

from autotp.errors import AutotpError, EnvironmentFailure, InputError


class Status(StrEnum):
    """How an arm ended. A failure is recorded as such, never as a very bad score."""

    OK = "OK"
    INVALID = "INVALID"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    WRONG_OUTPUT = "WRONG_OUTPUT"


class Phase(StrEnum):
    """What a worker was doing. Each phase has a time limit of its own."""

    INSPECT = "inspect"
    START = "start"
    COMPILE = "compile"
    WARM_UP = "warm-up"
    BLOCK = "block"
    PROOF = "proof"


class ArmFailure(Exception):
    """An arm's worker failed; holds what the study records of it."""

    def __init__(self, status: Status, phase: Phase, message: str, log_tail: str = "") -> None:
        super().__init__(f"{status} in {phase}: {message.rstrip('.')}")
        self.status = status
        self.phase = phase
        self.message = message
        self.log_tail = log_tail

    def as_error(self, sentence: str, kind: type[AutotpError] = InputError) -> AutotpError:
        """Return `sentence` and the reason as `kind`; if no worker could start, an EnvironmentFailure."""
        if self.phase is Phase.START:
            return EnvironmentFailure(f"No worker can be started: {self}.")
        return kind(f"{sentence}: {self}.")
