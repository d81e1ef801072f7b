"""Where workers come from: fork servers, one for each environment, and the clock that watches over them."""

import os
import select
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from autotp.errors import EnvironmentFailure
from autotp.measure.forkserver import START
from autotp.measure.log import Log
from autotp.measure.phases import PhaseClock
from autotp.measure.process import WorkerProcess

ENTRY = "autotp.measure.worker"
END_WITHIN_S = 5.0
_BOOT = "import sys; argv = sys.argv; sys.path[:] = argv[3:]; from autotp.measure.forkserver import main; main()"


class Workers:
    """Makes workers; a context manager that leaves no process behind. `clock` times all that are made here."""

    def __init__(self) -> None:
        self.clock = PhaseClock()
        self._servers: dict[object, _ForkServer] = {}

    def start(self) -> WorkerProcess:
        """Start a worker in the environment and folder as they are now, and return at once.

        Raises:
            EnvironmentFailure: no process can be started.
        """
        return WorkerProcess(self._server(), self.clock)

    def close(self) -> None:
        """End the fork servers, and with them all workers that are left."""
        while self._servers:
            _, server = self._servers.popitem()
            server.close()

    def _server(self) -> "_ForkServer":
        place = (frozenset(os.environ.items()), Path.cwd())
        if place in self._servers and self._servers[place].ended:
            self._servers.pop(place).close()
        if place not in self._servers:
            self._servers[place] = _ForkServer()
        return self._servers[place]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ForkServer:
    """The tuner's side of one fork server."""

    def __init__(self) -> None:
        with ExitStack() as ours:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.callback(self._control.close)
            self._control.setblocking(False)
            self._log = Log()
            ours.callback(self._log.close)
            try:
                self._process = self._spawn(theirs)
            except OSError as error:
                raise EnvironmentFailure(f"No process can be started: {error.strerror}.") from error
            finally:
                theirs.close()
                self._log.close_write_end()
            self._ours = ours.pop_all()

    def _spawn(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), ENTRY, *sys.path],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self._log.write_end,
            stderr=self._log.write_end,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether the process is gone: its end of the control socket is closed."""
        poll = select.poll()
        poll.register(self._control, 0)
        return bool(poll.poll(0))

    def fork(self, ends: list[int]) -> None:
        """Have a worker forked that gets `ends`.

        Raises:
            EnvironmentFailure: the server is gone or doesn't answer.
        """
        self._log.drain()  # so that it can always write
        try:
            socket.send_fds(self._control, [START], ends)
        except OSError as error:
            raise self.failure() from error

    def failure(self) -> EnvironmentFailure:
        """Say why no worker came of a fork."""
        how = "doesn't answer"
        with suppress(subprocess.TimeoutExpired):
            how = f"ended with code {self._process.wait(END_WITHIN_S if self.ended else 0)}"
        self._log.drain()
        said = f" It said:\n{self._log.tail}" if self._log.tail else ""
        return EnvironmentFailure(f"No worker can be started: the process that forks them {how}.{said}")

    def close(self) -> None:
        """End the process and its workers."""
        self._control.close()
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its workers get the same from the kernel
            self._process.wait()
        finally:
            self._ours.close()
