"""Defers Ctrl-C and other requests to stop while the storage is used, so that no write is interrupted."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_held: list[tuple[int, FrameType | None]] = []


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Defer a first signal to the end; Ctrl-C after it interrupts at once, in case the storage hangs.

    Only signals with a handler in Python are deferred, and only in the main thread, where handlers run.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    if threading.current_thread() is not threading.main_thread() or _hold in handlers.values():
        yield
        return
    deferred = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in deferred:
        signal.signal(number, _hold)
    try:
        yield
    finally:
        for number, handler in deferred.items():
            signal.signal(number, handler)
        held = _held[:1]
        _held.clear()
        for held_number, frame in held:
            deferred[signal.Signals(held_number)](held_number, frame)


def is_interrupted() -> bool:
    """Whether a signal is waiting for the end of `interrupts_deferred`."""
    return bool(_held)


def _hold(number: int, frame: FrameType | None) -> None:
    if _held and number == signal.SIGINT:
        raise KeyboardInterrupt
    _held.append((number, frame))
