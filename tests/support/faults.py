"""A worker that misbehaves: the real one, except that it does one of these things in one of its phases.

Which one is chosen by the number of requests in flight (`requests_for`), or by the name of the
model to inspect (`model_name_for`), so that a whole tuning can meet every fault without knowing of it. Put its
name in the place of the worker's own: `autotp.measuring.parent.pool.ENTRY = "tests.support.faults"`.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from autotp.measuring.child import worker
from autotp.measuring.failure import Phase, Status
from autotp.measuring.protocol import Compile, Inspect, Inspected, Watch, decode_request, encode
from autotp.measuring.workload.workload import Run
from autotp.runtime.models.read import ModelInfo

GROUP = "AUTOTP_TESTS_MEMORY_GROUP"  # the folder of a control group with little memory
GROUP_BYTES = 256 << 20
FLOOD_BYTES = 1 << 30
PHASES = (Phase.START, Phase.COMPILE, Phase.WARM_UP, Phase.BLOCK, Phase.PROOF)
_PIECE = b"x" * (1 << 20)
_FIRST = 100


class Fault(StrEnum):
    """What a worker does; `expected` is the failure that the parent must report."""

    SEGFAULT = "segfault"
    EXIT = "exit"
    ABORT = "abort"
    SLEEP = "sleep in native code"
    SPIN = "spin in native code"
    ALLOCATE = "allocate until killed"
    FLOOD = "flood its output"
    CLOSE = "close its pipe"
    GARBAGE = "answer garbage"
    ENDLESS = "answer without end"
    OTHER = "answer JSON of another kind"
    OUT_OF_TURN = "answer out of turn"

    @property
    def expected(self) -> tuple[Status, str]:
        """The status, and a part of the message."""
        return _EXPECTED[self]

    @property
    def silent(self) -> bool:
        """Whether only a time limit reveals it."""
        return self in (Fault.SLEEP, Fault.SPIN)

    @property
    def last_words(self) -> str:
        """What ends up in the log."""
        return "x" * 1000 if self is Fault.FLOOD else f"about to {self}"


_EXPECTED = {
    Fault.SEGFAULT: (Status.CRASHED, "signal SIGSEGV"),
    Fault.EXIT: (Status.CRASHED, "exit code 3"),
    Fault.ABORT: (Status.CRASHED, "signal SIGABRT"),
    Fault.SLEEP: (Status.TIMED_OUT, "no answer in time"),
    Fault.SPIN: (Status.TIMED_OUT, "no answer in time"),
    Fault.ALLOCATE: (Status.OUT_OF_MEMORY, "signal SIGKILL, most likely for lack of memory"),
    Fault.FLOOD: (Status.CRASHED, "flooded its output"),
    Fault.CLOSE: (Status.CRASHED, "closed its pipe"),
    Fault.GARBAGE: (Status.CRASHED, "can't be understood"),
    Fault.ENDLESS: (Status.CRASHED, "doesn't end"),
    Fault.OTHER: (Status.CRASHED, "can't be understood"),
    Fault.OUT_OF_TURN: (Status.CRASHED, "out of turn"),
}
_PLANNED = tuple(itertools.product(Fault, PHASES))


def requests_for(fault: Fault, phase: Phase) -> int:
    """The requests in flight with which a worker does `fault` in `phase`."""
    return _FIRST + _PLANNED.index((fault, phase))


def planned(requests: int | None) -> tuple[Fault, Phase] | None:
    """What a worker with so many requests in flight does; None for one that behaves."""
    at = (requests or 0) - _FIRST
    return _PLANNED[at] if 0 <= at < len(_PLANNED) else None


def model_name_for(fault: Fault, phase: Phase) -> str:
    """The name, without its suffix, of a model whose inspection brings `fault` in `phase`: start or inspect."""
    return f"{fault.name} {phase.name}"


def main(request_end: int, reply_end: int) -> None:
    """Serve as a worker does, until it is time to misbehave."""
    with open(request_end, "rb") as pipe, open(reply_end, "wb") as replies:
        first = pipe.readline()  # it comes before the worker's own first word, and may forbid that
        if (todo := _chosen_by(first)) is None:
            worker.serve(cast(Any, itertools.chain([first], pipe)), replies)
            return
        fault, phase = todo
        if phase is Phase.START:
            _misbehave(fault, reply_end)
        worker.serve(cast(Any, _until(phase, fault, itertools.chain([first], pipe), reply_end)), replies)


def _until(phase: Phase, fault: Fault, lines: Iterable[bytes], reply_end: int) -> Iterator[bytes]:
    for line in lines:
        if _phase_of(line) is phase:
            _misbehave(fault, reply_end)
        yield line


def _chosen_by(line: bytes) -> tuple[Fault, Phase] | None:
    match decode_request(line):
        case Compile(plan):
            return planned(plan.nireq)
        case Inspect(files) if " " in files.path.stem:
            fault, phase = files.path.stem.split(" ")
            return Fault[fault], Phase[phase]
    return None


def _phase_of(line: bytes) -> Phase:
    request = decode_request(line)
    if isinstance(request, Run):
        return Phase.WARM_UP if request.flat_out else Phase.BLOCK
    if isinstance(request, Watch):
        return Phase.PROOF
    return Phase.COMPILE if isinstance(request, Compile) else Phase.INSPECT


def _misbehave(fault: Fault, reply_end: int) -> None:
    os.write(2, f"about to {fault}\n".encode())
    _DEEDS[fault](reply_end)
    time.sleep(600)


def _allocate(_: int) -> None:
    Path(os.environ[GROUP], "cgroup.procs").write_text(str(os.getpid()))
    hoard = [bytearray(_PIECE) for _ in range(2 * GROUP_BYTES // len(_PIECE))]
    sys.exit(f"{len(hoard)} MB fitted")


def _write(end: int, count: int = FLOOD_BYTES // len(_PIECE)) -> None:
    for _ in range(count):
        os.write(end, _PIECE)


def _answer(text: bytes) -> Callable[[int], object]:
    return lambda reply_end: os.write(reply_end, text + b"\n")


_DEEDS: dict[Fault, Callable[[int], object]] = {
    Fault.SEGFAULT: lambda _: ctypes.string_at(0),
    Fault.EXIT: lambda _: os._exit(3),
    Fault.ABORT: lambda _: ctypes.CDLL(None).abort(),
    Fault.SLEEP: lambda _: ctypes.PyDLL(None).pause(),
    Fault.SPIN: lambda _: deque(itertools.repeat(0), maxlen=0),  # an endless loop in C that never gives way
    Fault.ALLOCATE: _allocate,
    Fault.FLOOD: lambda _: _write(1),
    Fault.CLOSE: os.close,
    Fault.GARBAGE: _answer(b"\xff\x00{ neither JSON nor text"),
    Fault.ENDLESS: _write,
    Fault.OTHER: _answer(b'{"type": "Confession", "count": [1, null]}'),
    Fault.OUT_OF_TURN: _answer(encode(Inspected(ModelInfo((), ())))),
}
