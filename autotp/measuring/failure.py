"""The failure of an arm: its status, the phase in which its worker failed, and the end of the worker's output."""

from enum import StrEnum

from autotp.errors import AutotpError, EnvironmentFailure, InputError, ModelError


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
    INFERENCE = "inference"  # the first ones: outputs are compared, and copies timed
    WARM_UP = "warm-up"
    BLOCK = "block"
    PROOF = "proof"
    PROFILE = "profile"


INFERRING = frozenset({Phase.INFERENCE, Phase.WARM_UP, Phase.BLOCK})


class ArmFailure(Exception):
    """An arm's worker failed; holds what the study records of it.

    Attributes:
        input_error: whether the model or its inputs are to blame.
        advice: what a user can do about such an error, in a sentence.
    """

    advice = ""

    def __init__(
        self, status: Status, phase: Phase, message: str, log_tail: str = "", input_error: bool = False
    ) -> None:
        super().__init__(f"{status} in {phase}: {message.rstrip('.')}")
        self.status = status
        self.phase = phase
        self.message = message
        self.log_tail = log_tail
        self.input_error = input_error

    def as_error(self, sentence: str, kind: type[AutotpError] = InputError) -> AutotpError:
        """Return `sentence` and the reason as `kind`.

        If no worker could start, it is an EnvironmentFailure; if the model or its inputs are to blame, a
        ModelError with the advice.
        """
        if self.phase is Phase.START:
            return EnvironmentFailure(f"No worker can be started: {self}.")
        if not self.input_error:
            return kind(f"{sentence}: {self}.")
        why = str(self) if self.status is Status.INVALID else f"the inference failed: {self.message}"
        return ModelError(f"{sentence}: {why}. {self.advice}".rstrip())
