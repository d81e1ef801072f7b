"""Signals that end a command as Ctrl-C does: SIGHUP (its terminal is gone), SIGTERM (a container's stop)."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING_SIGNALS = (signal.SIGHUP, signal.SIGTERM)

# A shell's exit code of a command that a signal ended is this plus the signal's number.
FIRST_CODE = 128


@contextmanager
def stopped_by_signals() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt when one of `ENDING_SIGNALS` arrives; yield a list that receives its number.

    Signals that are ignored already, as SIGHUP is under nohup, are still ignored.
    """
    arrived: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        arrived.append(number)
        # Further ones must not interrupt the writing of results: a shell and its terminal send a SIGHUP each.
        for other in replaced:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    can_handle = threading.current_thread() is threading.main_thread()
    replaced = [number for number in ENDING_SIGNALS if can_handle and signal.getsignal(number) == signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, stop)
    try:
        yield arrived
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
