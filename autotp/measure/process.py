"""The parent side of one worker: start it, speak with it under a watchdog, kill its whole process group."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from time import monotonic
from typing import TypeVar

from autotp.errors import ModelError
from autotp.measure.protocol import (
    ArmFailure,
    Failed,
    Inspect,
    Phase,
    Run,
    Start,
    Status,
    Watch,
    decode_reply,
    encode,
)

R = TypeVar("R")

TIMEOUTS_S = {
    Phase.INSPECT: 300.0,
    Phase.START: 600.0,
    Phase.WARM_UP: 120.0,
    Phase.BLOCK: 60.0,
    Phase.PROOF: 120.0,
}
EXIT_TIMEOUT_S = 10.0
LOG_TAIL_BYTES = 2000
_BOOT = (
    "import sys; descriptors = sys.argv[1:3]; sys.path[:] = sys.argv[3:]; "
    "from autotp.measure.worker import main; main()"
)


class WorkerProcess:
    """A fresh interpreter with two pipes to it. It has its own session, so Ctrl-C reaches the parent alone."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        request_end, self._requests = os.pipe()
        self._replies, reply_end = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(request_end), str(reply_end), *sys.path],
                pass_fds=(request_end, reply_end),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        finally:
            os.close(request_end)
            os.close(reply_end)
        self._buffer = b""

    def send(self, request: Inspect | Start | Run | Watch) -> None:
        """Hand `request` to the worker; a worker that is gone shows at `receive`."""
        data = encode(request) + b"\n"
        try:
            while data:
                data = data[os.write(self._requests, data) :]
        except BrokenPipeError:
            return

    def receive(self, expected: type[R], phase: Phase, extra_s: float = 0.0) -> R:
        """Wait, asleep, for the reply to the last request.

        Raises:
            ArmFailure: the worker said that it failed, died, or stayed silent for too long.
            ModelError: it failed for a reason that the person can mend.
        """
        line = self._read_line(phase, monotonic() + TIMEOUTS_S[phase] + extra_s)
        reply = decode_reply(line)
        if isinstance(reply, Failed):
            if reply.input_error and phase is Phase.INSPECT:
                raise ModelError(reply.message)
            raise ArmFailure(reply.status, phase, reply.message, self._log_tail())
        assert isinstance(reply, expected), f"{type(reply).__name__} came where {expected.__name__} was due"
        return reply

    def kill(self) -> None:
        """End the whole process group at once and free the pipes."""
        if self._log.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._requests)
        os.close(self._replies)
        self._log.close()

    def _read_line(self, phase: Phase, deadline: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - monotonic())):
                    raise ArmFailure(Status.TIMED_OUT, phase, "no answer in time", self._log_tail())
                data = os.read(self._replies, 1 << 20)
                if not data:
                    raise self._died(phase)
                self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _died(self, phase: Phase) -> ArmFailure:
        try:
            code = self._process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return ArmFailure(Status.TIMED_OUT, phase, "the worker stopped but didn't exit", self._log_tail())
        killed = code == -signal.SIGKILL
        status = Status.OUT_OF_MEMORY if killed else Status.CRASHED
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        message = f"the worker ended with {how}" + (", most likely for lack of memory" if killed else "")
        return ArmFailure(status, phase, message, self._log_tail())

    def _log_tail(self) -> str:
        handle = self._log.fileno()  # the worker writes through the same offset: read without moving it
        start = max(0, os.fstat(handle).st_size - LOG_TAIL_BYTES)
        return os.pread(handle, LOG_TAIL_BYTES, start).decode(errors="replace").strip()
