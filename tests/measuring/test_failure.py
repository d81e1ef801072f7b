"""Failures of arms as errors for the user."""

import pytest

from autotp.errors import AutotpError, EnvironmentFailure, ModelError
from autotp.measuring.failure import ArmFailure, Phase, Status


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [
        (
            ArmFailure(Status.CRASHED, Phase.START, "gone"),
            EnvironmentFailure,
            "No worker can be started: CRASHED in start: gone.",
        ),
        (
            ArmFailure(Status.CRASHED, Phase.COMPILE, "it ended with SIGSEGV"),
            EnvironmentFailure,
            "It failed: CRASHED in compile: it ended with SIGSEGV.",
        ),
        (
            ArmFailure(Status.INVALID, Phase.COMPILE, "OpenVINO can't compile it.", input_error=True),
            ModelError,
            "It failed: INVALID in compile: OpenVINO can't compile it.",
        ),
        (
            ArmFailure(Status.CRASHED, Phase.INFERENCE, "the worker ended with signal SIGFPE", input_error=True),
            ModelError,
            "It failed: the inference failed: the worker ended with signal SIGFPE.",
        ),
        (
            ArmFailure(Status.TIMED_OUT, Phase.INFERENCE, "no answer in time"),
            EnvironmentFailure,
            "It failed: TIMED_OUT in inference: no answer in time.",
        ),
    ],
)
def test_what_the_user_gave_differs_from_what_the_machine_lacks(
    failure: ArmFailure, kind: type[AutotpError], text: str
) -> None:
    """OpenVINO refuses a model or its inputs on any machine; too little time, or no worker, is of this one."""
    error = failure.as_error("It failed", EnvironmentFailure)
    assert (type(error), str(error)) == (kind, text)


def test_advice_follows_only_what_it_can_mend() -> None:
    """An error of the inputs ends with it, another doesn't."""
    refused = ArmFailure(Status.CRASHED, Phase.WARM_UP, "sizes differ", input_error=True)
    late = ArmFailure(Status.TIMED_OUT, Phase.WARM_UP, "no answer in time")
    refused.advice = late.advice = "Give real inputs."
    assert str(refused.as_error("It failed")) == "It failed: the inference failed: sizes differ. Give real inputs."
    assert str(late.as_error("It failed")) == "It failed: TIMED_OUT in warm-up: no answer in time."
