"""The parent's side of one worker: sends requests, awaits replies with a time limit, kills the process group."""

import errno
import os
import selectors
import signal
import socket
from contextlib import ExitStack, suppress
from time import monotonic
from typing import Protocol, TypeVar

import msgspec

from autotp.errors import EnvironmentFailure, InputError, ModelError
from autotp.files.text import not_text
from autotp.measuring.failure import INFERRING, ArmFailure, Phase, Status
from autotp.measuring.parent.capture import CapturedOutput
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.measuring.protocol import Failed, Reply, Request, decode_reply, encode

R = TypeVar("R")

MOST_OUTPUT_BYTES = 64 << 20
MOST_REPLY_BYTES = 64 << 20
STATUS_WITHIN_S = 2.0
KILLED_WITHIN_S = 60.0  # the kernel takes ten seconds to free 60 GB
_PIECE_BYTES = 1 << 20


class Forker(Protocol):
    """Forks workers."""

    def fork(self, ends: list[int]) -> None:
        """Request a process that gets these descriptors: requests, replies, output, life line."""

    def failure(self) -> EnvironmentFailure:
        """Return the error that says why no process was forked."""


# An input that makes OpenVINO divide by zero or read beyond its end kills the worker by one of these.
_OF_COMPUTING = frozenset({signal.SIGFPE, signal.SIGSEGV, signal.SIGABRT})


class WorkerProcess:
    """One worker and the pipes to it. It has a session of its own, so Ctrl-C reaches only the parent."""

    def __init__(self, forker: Forker, clock: PhaseClock) -> None:
        self._forker = forker
        self._clock = clock
        self._reported = b""  # read from the life line: the process id, and at the end the wait status
        self._life_ended = False  # whether the life line is closed
        self._unsent = b""
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer that hold no end of line
        with ExitStack() as ours, ExitStack() as theirs:
            requests, self._requests = _pipe(theirs, ours)
            self._replies, replies = _pipe(ours, theirs)
            self._output = CapturedOutput()
            ours.callback(self._output.close)
            theirs.callback(self._output.close_write_end)
            self._life, life = socket.socketpair()
            ours.callback(self._life.close)
            theirs.callback(life.close)
            for end in (self._requests, self._replies, self._life.fileno()):
                os.set_blocking(end, False)
            forker.fork([requests, replies, self._output.write_end, life.fileno()])
            self._ours = ours.pop_all()
        self._open = True

    @property
    def pid(self) -> int | None:
        """The process id; None if the fork failed."""
        if self._open:
            self._await_numbers(1, monotonic() + self._clock.limits.of(Phase.START))
        return next((number for number in self._numbers if number > 0), None)

    def send(self, request: Request) -> None:
        """Send `request` to the worker. What its pipe can't hold yet is sent while the reply is awaited.

        Raises:
            InputError: it holds a name, such as that of an input, that isn't UTF-8.
        """
        try:
            self._unsent += encode(request) + b"\n"
        except UnicodeEncodeError as error:
            raise InputError(not_text(error)) from error
        self._send_pending()

    def receive(self, expected: type[R], phase: Phase, extra_s: float = 0.0, requests: int = 1) -> R:
        """Wait, without using CPU time, for the reply to the last request.

        Args:
            expected: the type of the reply.
            phase: what the worker does meanwhile.
            extra_s: how long the request itself takes; added to the limit of the phase.
            requests: how many inference requests the whole arm has in flight.

        Raises:
            ArmFailure: the worker reported a failure, died, printed too much, sent an invalid reply, or took too
                long.
            ModelError: it failed because of what the user gave.
            EnvironmentFailure: its process couldn't be forked.
        """
        with self._clock.waiting(phase, extra_s, requests) as deadline:
            reply = self._decode(self._read_line(phase, deadline), phase)
            if isinstance(reply, Failed):
                if reply.input_error and phase is Phase.INSPECT:
                    raise ModelError(reply.message)
                is_of_inputs = reply.status is Status.CRASHED and phase in INFERRING
                raise self._failure(reply.status, phase, reply.message, reply.input_error or is_of_inputs)
            if not isinstance(reply, expected):
                raise self._failure(
                    Status.CRASHED, phase, f"the worker answered {type(reply).__name__} out of turn"
                )
        return reply

    def hang_up(self) -> None:
        """Begin to kill the whole process group, and return at once."""
        if self._open:
            with suppress(OSError):  # the worker has ended
                self._life.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Kill the whole process group, wait until its memory is free, and close the pipes; may be repeated."""
        if not self._open:
            return
        self.hang_up()
        self._await_numbers(2, monotonic() + KILLED_WITHIN_S)
        if self._life_ended and len(self._numbers) == 1 and self._numbers[0] > 0:
            with suppress(
                ProcessLookupError, PermissionError
            ):  # if the server has ended, only the leader was killed
                os.killpg(self._numbers[0], signal.SIGKILL)
        self._open = False
        self._ours.close()

    @property
    def _numbers(self) -> list[int]:
        return [int(number) for number in self._reported.split()]

    def _read_line(self, phase: Phase, deadline: float) -> bytes:
        with selectors.PollSelector() as selector:  # unlike epoll, it needs no descriptor
            for end in (self._replies, self._output.read_end, self._life.fileno()):
                selector.register(end, selectors.EVENT_READ)
            if self._unsent:
                selector.register(self._requests, selectors.EVENT_WRITE)
            while (line := self._next_line()) is None:
                ready = {key.fd for key, _ in selector.select(max(0.0, deadline - monotonic()))}
                self._handle_ready(selector, ready, phase)
                if monotonic() > deadline and b"\n" not in self._buffer:
                    raise self._timed_out(phase)
        return line

    def _handle_ready(self, selector: selectors.BaseSelector, ready: set[int], phase: Phase) -> None:
        if self._requests in ready and self._send_pending():
            selector.unregister(self._requests)
        if self._output.read_end in ready and not self._output.read():
            selector.unregister(self._output.read_end)
        if self._output.written_bytes > MOST_OUTPUT_BYTES:
            raise self._failure(Status.CRASHED, phase, "the worker flooded its output")
        if self._life.fileno() in ready:
            self._read_life()
        if self._replies in ready:
            self._read_reply(phase)
        while self._life_ended and b"\n" not in self._buffer:
            self._read_reply(phase)  # read what is left in the pipe, even if another process holds it open

    def _send_pending(self) -> bool:
        """Write what the worker's pipe can hold; return whether nothing is left to write."""
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent = b""  # the worker has ended, which is noticed at the reply
        return not self._unsent

    def _read_reply(self, phase: Phase) -> None:
        try:
            data = os.read(self._replies, _PIECE_BYTES)
        except BlockingIOError:
            data = b""
        if not data:
            raise self._died(phase)
        self._buffer += data
        if len(self._buffer) > MOST_REPLY_BYTES:
            raise self._failure(Status.CRASHED, phase, "the worker's answer doesn't end")

    def _next_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _decode(self, line: bytes, phase: Phase) -> Reply:
        try:
            reply: Reply = decode_reply(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"the worker's answer can't be understood: {error}"
            raise self._failure(Status.CRASHED, phase, message) from error
        return reply

    def _timed_out(self, phase: Phase) -> ArmFailure | EnvironmentFailure:
        return (
            self._failure(Status.TIMED_OUT, phase, "no answer in time")
            if self._reported
            else self._forker.failure()
        )

    def _died(self, phase: Phase) -> ArmFailure | EnvironmentFailure:
        self._await_numbers(2, monotonic() + STATUS_WITHIN_S)
        match self._numbers:
            case []:
                return self._forker.failure()
            case [number] if number < 0:
                status = Status.OUT_OF_MEMORY if -number == errno.ENOMEM else Status.CRASHED
                return self._failure(status, phase, f"no process can be forked: {os.strerror(-number)}")
            case [_] if self._life_ended:
                return self._failure(
                    Status.CRASHED, phase, "the process that the worker was forked from has ended"
                )
            case [_]:
                return self._failure(Status.CRASHED, phase, "the worker closed its pipe")
            case [_, status, *_]:
                return self._ended(phase, os.waitstatus_to_exitcode(status))
        raise AssertionError(self._reported)

    def _ended(self, phase: Phase, code: int) -> ArmFailure:
        killed = code == -signal.SIGKILL
        status = Status.OUT_OF_MEMORY if killed else Status.CRASHED
        how = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        message = f"the worker ended with {how}" + (", most likely for lack of memory" if killed else "")
        return self._failure(status, phase, message, phase in INFERRING and -code in _OF_COMPUTING)

    def _await_numbers(self, numbers: int, deadline: float) -> None:
        """Wait until so many numbers have come over the life line, or it is closed."""
        with selectors.PollSelector() as selector:
            selector.register(self._life, selectors.EVENT_READ)
            while not self._life_ended and self._reported.count(b"\n") < numbers:
                if not selector.select(max(0.0, deadline - monotonic())):
                    return
                self._read_life()

    def _read_life(self) -> None:
        data = self._life.recv(_PIECE_BYTES)
        self._reported += data
        self._life_ended = not data

    def _failure(self, status: Status, phase: Phase, message: str, input_error: bool = False) -> ArmFailure:
        self._output.drain()
        return ArmFailure(status, phase, message, self._output.tail, input_error)


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Return the two ends of a pipe; `reader` and `writer` close them."""
    read_end, write_end = os.pipe()
    reader.callback(os.close, read_end)
    writer.callback(os.close, write_end)
    return read_end, write_end


def _signal_name(number: int) -> str:
    return next((known.name for known in signal.Signals if known == number), str(number))
