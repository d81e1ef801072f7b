"""Signals that end a command like Ctrl-C."""

import signal

import pytest

from autotp.cli.terminal.signals import ENDING_SIGNALS, stopped_by_signals
from tests.support.interrupts import receive


@pytest.mark.parametrize("number", ENDING_SIGNALS)
def test_only_the_first_one_interrupts(number: signal.Signals) -> None:
    """Once one has arrived, further ones can't interrupt the writing of results; in the end all is as before."""
    before = [signal.getsignal(other) for other in ENDING_SIGNALS]
    with stopped_by_signals() as arrived:
        with pytest.raises(KeyboardInterrupt):
            receive(number)
        assert [signal.getsignal(other) for other in ENDING_SIGNALS] == [signal.SIG_IGN] * len(ENDING_SIGNALS)
    assert arrived == [number]
    assert [signal.getsignal(other) for other in ENDING_SIGNALS] == before


def test_what_is_ignored_stays_ignored() -> None:
    """Under nohup, which ignores SIGHUP, a terminal that closes ends nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
