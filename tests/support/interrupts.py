"""Ctrl-C and other signals, as a test sends them."""

import signal


def press_ctrl_c() -> None:
    """Call the handler of SIGINT."""
    receive(signal.SIGINT)


def receive(number: int) -> None:
    """Call the handler of a signal. No signal is sent: OpenVINO, once it has compiled, may crash on one."""
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)
