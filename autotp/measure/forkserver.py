"""The process that workers are forked from: it has imported OpenVINO and created nothing.

A fresh interpreter takes half a second to import OpenVINO; a fork of one that has takes milliseconds. OpenVINO
reads the mask of a process's main thread when its first Core is created, so a fork may still set its own. The
environment is fixed at the start, so there is one such process for each.

It answers two datagrams on its control socket: `START`, with the worker's ends of four pipes (requests, replies,
output, life), and `KILL` with a process id. On the life pipe of a worker it writes the worker's process id and, at
its end, its wait status. The group of a worker that has ended is killed before its leader is reaped, while its
number can't belong to anyone else. When the control socket closes the tuner is gone, and all workers are killed.
"""

import contextlib
import ctypes
import importlib
import os
import selectors
import signal
import socket
import sys
from typing import NoReturn

START, KILL = b"s", b"k"
PIPES = 4
_DATAGRAM_BYTES = 64
_PR_SET_PDEATHSIG = 1
_FIRST_TO_KILL = "1000"


class ForkServer:
    """Forks workers that run `entry` (the name of a module with a `main`) and looks after them until they end."""

    def __init__(self, control: socket.socket, entry: str) -> None:
        self._control = control
        self._entry = entry
        self._lives: dict[int, int] = {}  # process id of each worker to its life pipe
        self._wake, self._wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Answer the control socket until it closes."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while self._answer({key.fileobj for key, _ in selector.select()}):
                pass
        for pid in list(self._lives):
            self._kill(pid)

    def _answer(self, ready: set[object]) -> bool:
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 1 << 16)
            self._reap()
        if self._control not in ready:
            return True
        message, pipes, _, _ = socket.recv_fds(self._control, _DATAGRAM_BYTES, PIPES)
        if message.startswith(START):
            self._fork(pipes)
        elif message.startswith(KILL):
            self._kill(int(message[len(KILL) :]))
        return bool(message)

    def _fork(self, pipes: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_worker(*pipes)
        requests, replies, output, life = pipes
        for pipe in (requests, replies, output):
            os.close(pipe)
        self._lives[pid] = life
        _tell(life, pid)

    def _become_worker(self, requests: int, replies: int, output: int, life: int) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            self._control.close()
            for pipe in (life, self._wake, self._wake_end, *self._lives.values()):
                os.close(pipe)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            _be_killed_first()
            importlib.import_module(self._entry).main(requests, replies)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for pid in list(self._lives):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._kill(pid)

    def _kill(self, pid: int) -> None:
        """Kill the group of worker `pid`, reap it and say how it ended."""
        if pid not in self._lives:
            return  # it has ended by itself and was told of
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # not yet the leader of a group, if it was only just forked
        _, status = os.waitpid(pid, 0)
        life = self._lives.pop(pid)
        _tell(life, status)
        os.close(life)


def _tell(life: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the tuner no longer listens
        os.write(life, b"%d\n" % number)


def _be_killed_first() -> None:
    """Let the kernel, short of memory, take a worker rather than the tuner (proc(5), oom_score_adj)."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write(_FIRST_TO_KILL)


def main() -> None:
    """Serve on the socket whose descriptor is the first argument; the second names the workers' module."""
    control, entry = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    importlib.import_module("openvino")
    importlib.import_module(entry)
    ForkServer(control, entry).serve()
