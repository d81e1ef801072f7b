"""Deferring requests to stop."""

import signal
from collections.abc import Iterator

import pytest

from autotp.tuning.study.interrupts import interrupts_deferred, is_interrupted
from tests.support.interrupts import press_ctrl_c, receive


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def other(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal other than Ctrl-C that stops a tuning, too."""
    number: signal.Signals = request.param
    before = signal.signal(number, signal.default_int_handler)
    yield number
    signal.signal(number, before)


def test_every_signal_that_stops_a_tuning_is_deferred(other: signal.Signals) -> None:
    """A container's stop and a dropped terminal take effect at the end, as Ctrl-C does."""
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts_deferred():
        receive(other)
        steps.append(is_interrupted())
    assert steps == [True]
    assert not is_interrupted()
    assert signal.getsignal(other) is signal.default_int_handler


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Under nohup a hangup changes nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGHUP)
            assert not is_interrupted()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_does_not_swallow_the_interrupt() -> None:
    """If the storage fails after Ctrl-C, the interrupt is what is raised, with the error as its context."""
    with pytest.raises(KeyboardInterrupt) as raised, interrupts_deferred():
        press_ctrl_c()
        raise OSError("gone")
    assert isinstance(raised.value.__context__, OSError)
