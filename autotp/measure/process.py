"""The parent side of one worker: speak with it under a watchdog, kill its whole process group."""

import os
import selectors
import signal
from time import monotonic
from typing import Protocol, TypeVar

import msgspec

from autotp.errors import ModelError
from autotp.measure.log import Log
from autotp.measure.phases import PhaseClock
from autotp.measure.protocol import ArmFailure, Failed, Phase, Reply, Request, Status, decode_reply, encode

R = TypeVar("R")

MOST_OUTPUT_BYTES = 64 << 20
MOST_REPLY_BYTES = 256 << 20
EXIT_TIMEOUT_S = 2.0
_PIECE_BYTES = 1 << 20


class Forker(Protocol):
    """Makes a worker's process and can end it."""

    def fork(self, pipes: tuple[int, ...]) -> None:
        """Have a process made that gets `pipes`: requests, replies, output, life."""

    def kill(self, pid: int) -> None:
        """Have the group of that process killed."""


class WorkerProcess:
    """One worker and the pipes to it. It has its own session, so Ctrl-C reaches the parent alone."""

    def __init__(self, forker: Forker, clock: PhaseClock) -> None:
        self._forker = forker
        self._clock = clock
        self._log = Log()
        request_end, self._requests = os.pipe()
        self._replies, reply_end = os.pipe()
        self._life, life_end = os.pipe()
        self._told = b""  # on the life pipe: the process id, and at the end the wait status
        self._buffer = b""
        self._open = True
        theirs = (request_end, reply_end, self._log.write_end, life_end)
        try:
            forker.fork(theirs)
        except ArmFailure:
            self._close()
            raise
        finally:
            for end in theirs:
                os.close(end)

    @property
    def pid(self) -> int | None:
        """The process id; None if it was never made."""
        self._hear(1)
        return int(self._told.split()[0]) if self._told else None

    def send(self, request: Request) -> None:
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
            ArmFailure: the worker said that it failed, died, flooded its output, answered what isn't a reply, or
                stayed silent for too long.
            ModelError: it failed for a reason that the person can mend.
        """
        began = monotonic()
        line = self._read_line(phase, began + self._clock.limits.of(phase) + extra_s)
        self._clock.note(phase, monotonic() - began, extra_s)
        reply = self._decode(line, phase)
        if isinstance(reply, Failed):
            if reply.input_error and phase is Phase.INSPECT:
                raise ModelError(reply.message)
            raise self._failure(reply.status, phase, reply.message)
        if not isinstance(reply, expected):
            raise self._failure(Status.CRASHED, phase, f"the worker answered {type(reply).__name__} out of turn")
        return reply

    def kill(self) -> None:
        """End the whole process group at once and free the pipes."""
        if not self._open:
            return
        if (pid := self.pid) is not None:
            self._forker.kill(pid)
            self._hear(2)
        self._close()

    def _read_line(self, phase: Phase, deadline: float) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            selector.register(self._log.read_end, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                ready = {key.fd for key, _ in selector.select(max(0.0, deadline - monotonic()))}
                if not ready:
                    raise self._failure(Status.TIMED_OUT, phase, "no answer in time")
                if self._log.read_end in ready and not self._log.read():
                    selector.unregister(self._log.read_end)
                if self._log.written_bytes > MOST_OUTPUT_BYTES:
                    raise self._failure(Status.CRASHED, phase, "the worker flooded its output")
                if self._replies in ready:
                    self._read_reply(phase)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _read_reply(self, phase: Phase) -> None:
        data = os.read(self._replies, _PIECE_BYTES)
        if not data:
            raise self._died(phase)
        self._buffer += data
        if len(self._buffer) > MOST_REPLY_BYTES:
            raise self._failure(Status.CRASHED, phase, "the worker's answer doesn't end")

    def _decode(self, line: bytes, phase: Phase) -> Reply:
        try:
            reply: Reply = decode_reply(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"the worker's answer can't be understood: {error}"
            raise self._failure(Status.CRASHED, phase, message) from error
        return reply

    def _died(self, phase: Phase) -> ArmFailure:
        told = self._hear(2)
        if len(told) < 2:
            return self._failure(Status.CRASHED, phase, "the worker closed its pipe")
        code = os.waitstatus_to_exitcode(int(told[1]))
        killed = code == -signal.SIGKILL
        status = Status.OUT_OF_MEMORY if killed else Status.CRASHED
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        message = f"the worker ended with {how}" + (", most likely for lack of memory" if killed else "")
        return self._failure(status, phase, message)

    def _hear(self, words: int) -> list[bytes]:
        """Wait a moment for so many words on the life pipe; return those that came."""
        deadline = monotonic() + EXIT_TIMEOUT_S * (5 if words == 1 else 1)
        with selectors.DefaultSelector() as selector:
            selector.register(self._life, selectors.EVENT_READ)
            while self._told.count(b"\n") < words and selector.select(max(0.0, deadline - monotonic())):
                data = os.read(self._life, _PIECE_BYTES)
                if not data:
                    break
                self._told += data
        return self._told.split()

    def _failure(self, status: Status, phase: Phase, message: str) -> ArmFailure:
        self._log.drain()
        return ArmFailure(status, phase, message, self._log.tail)

    def _close(self) -> None:
        self._open = False
        for end in (self._requests, self._replies, self._life):
            os.close(end)
        self._log.close()
