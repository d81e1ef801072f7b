"""Ctrl-C, as a test presses it."""

import signal


def press_ctrl_c() -> None:
    """Call the handler of SIGINT. No signal is sent: OpenVINO, once it has compiled, may crash on one."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)
