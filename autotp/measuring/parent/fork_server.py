"""The process that workers are forked from: it has imported OpenVINO and created nothing.

A fresh interpreter takes half a second to import OpenVINO; forking a process that has imported it takes
milliseconds. OpenVINO reads the CPU mask of a process's main thread when its first Core is created, so a fork can
still set its own. The environment is fixed when the process starts, so there is one fork server for each
environment.

A datagram on the control socket brings a worker's ends of three pipes (requests, replies, output) and of a socket,
its life line. On the life line the server sends the worker's process id (or, if the fork failed, the negative
errno) and, once the worker has been reaped, its wait status. When the tuner shuts down its end of a life line or
ends, the worker is killed. Process ids are never sent to the server, so it can't kill a process that has reused
one.

All that a worker started is killed with it. Its process group is killed before its leader is reaped, so that the
id can't belong to anyone else yet. Processes that left the group become children of the server
(PR_SET_CHILD_SUBREAPER, prctl(2)), which kills and reaps them, so that no zombies pile up in a container without
init.
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import resource
import selectors
import signal
import socket
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

START = b"s"
ENDS = 4
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_NO_CORE_BYTES = 1  # with 0, a crash collector's pipe would still get the core; see the kernel's fs/coredump.c
_FIRST_TO_KILL = "1000"
_LIBC = ctypes.CDLL(None)


class ForkServer:
    """Forks workers that run `entry` (the name of a module with a `main`) and looks after them until they end."""

    def __init__(self, control: socket.socket, entry: str) -> None:
        self._control = control
        self._entry = entry
        self._pid = os.getpid()
        self._workers: dict[socket.socket, int] = {}  # process ids by life line
        self._selector = selectors.DefaultSelector()
        self._wake, self._wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Fork workers until the control socket closes; return when none is left."""
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_end, warn_on_full_buffer=False)
        self._selector.register(self._wake, selectors.EVENT_READ, self._reap)
        self._selector.register(self._control, selectors.EVENT_READ, self._accept)
        while self._workers or self._control in self._selector.get_map():
            for key, _ in self._selector.select():
                key.data()

    def _accept(self) -> None:
        message, ends, _, _ = socket.recv_fds(self._control, len(START), ENDS)
        if not message:
            self._selector.unregister(self._control)
            for life in list(self._workers):
                self._kill(life)
        elif len(ends) == ENDS:
            self._fork(ends, socket.socket(fileno=ends.pop()))
        for end in ends:  # if some are missing, for lack of descriptors, the tuner sees the pipes close
            os.close(end)

    def _fork(self, pipes: Sequence[int], life: socket.socket) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about threads; as an error, it would prevent the worker
                pid = os.fork()
        except OSError as error:
            _report(life, -(error.errno or 1))
            life.close()
            return
        if pid == 0:
            self._become_worker(pipes, life)
        self._workers[life] = pid
        self._selector.register(life, selectors.EVENT_READ, partial(self._kill, life))
        _report(life, pid)

    def _become_worker(self, pipes: Sequence[int], life: socket.socket) -> NoReturn:
        requests, replies, output = pipes
        code = 1
        try:
            os.setsid()
            self._end_with_server()
            self._close_inherited(life)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            _prepare_to_crash()
            importlib.import_module(self._entry).main(requests, replies)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _end_with_server(self) -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._pid:  # the server ended before the line above
            os._exit(1)

    def _close_inherited(self, life: socket.socket) -> None:
        """In a worker: close what belongs to the server and to other workers."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for line in (self._control, life, *self._workers):
            line.close()
        for end in (self._wake, self._wake_end):
            os.close(end)

    def _kill(self, life: socket.socket) -> None:
        """Kill the process group of a worker; it is reaped later."""
        if life not in self._workers or life not in self._selector.get_map():
            return  # it has ended meanwhile, or is being killed
        self._selector.unregister(life)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._workers[life], signal.SIGKILL)
        os.kill(self._workers[life], signal.SIGKILL)  # just after the fork it doesn't lead a group yet

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 1 << 16)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                self._reap_worker(ended.si_pid)
        self._kill_strays()

    def _reap_worker(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        for life in [life for life, worker in self._workers.items() if worker == pid]:
            del self._workers[life]
            with contextlib.suppress(KeyError):
                self._selector.unregister(life)
            _report(life, status)
            life.close()

    def _kill_strays(self) -> None:
        """Kill processes that ended workers left behind in sessions of their own (proc(5), `children`)."""
        with contextlib.suppress(OSError):
            children = Path(f"/proc/self/task/{self._pid}/children").read_text()
            for pid in set(map(int, children.split())).difference(self._workers.values()):
                os.kill(pid, signal.SIGKILL)


def _report(life: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the tuner has closed its end
        life.send(b"%d\n" % number)


def _prepare_to_crash() -> None:
    """Print where a crash happens, write no core, be killed first if memory runs out (proc(5), oom_score_adj)."""
    faulthandler.enable()
    with contextlib.suppress(ValueError):  # the limit is already lower
        resource.setrlimit(resource.RLIMIT_CORE, (_NO_CORE_BYTES, _NO_CORE_BYTES))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_KILL)


def main() -> None:
    """Serve on the socket whose descriptor is the first argument; the second names the workers' module."""
    control, entry = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would start threads and processes
    importlib.import_module("openvino")
    importlib.import_module(entry)
    gc.freeze()  # else a worker's first collection would copy the memory pages of all imported modules
    ForkServer(control, entry).serve()
