"""Where workers come from: fork servers, one for each environment, and the clock that watches over them."""

import contextlib
import os
import socket
import subprocess
import sys
from types import TracebackType

from autotp.measure.forkserver import KILL, START
from autotp.measure.log import Log
from autotp.measure.phases import PhaseClock
from autotp.measure.process import WorkerProcess
from autotp.measure.protocol import ArmFailure, Phase, Status

ENTRY = "autotp.measure.worker"
_BOOT = "import sys; argv = sys.argv; sys.path[:] = argv[3:]; from autotp.measure.forkserver import main; main()"


class Workers:
    """Makes workers; a context manager that leaves no process behind. `clock` times all that are made here."""

    def __init__(self) -> None:
        self.clock = PhaseClock()
        self._servers: dict[frozenset[tuple[str, str]], _ForkServer] = {}

    def start(self) -> WorkerProcess:
        """Start a worker in the environment as it is now and return at once.

        Raises:
            ArmFailure: no process can be started.
        """
        key = frozenset(os.environ.items())
        if key not in self._servers or self._servers[key].ended:
            self._servers[key] = _ForkServer()
        return WorkerProcess(self._servers[key], self.clock)

    def close(self) -> None:
        """End the fork servers, and with them all workers that are left."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ForkServer:
    """The tuner's side of one fork server."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._log = Log()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), ENTRY, *sys.path],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._log.write_end,
                stderr=self._log.write_end,
                start_new_session=True,
            )
        finally:
            theirs.close()
            self._log.close_write_end()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def fork(self, pipes: tuple[int, ...]) -> None:
        """Have a worker forked that gets `pipes`.

        Raises:
            ArmFailure: the server is gone.
        """
        try:
            socket.send_fds(self._control, [START], list(pipes))
        except OSError as error:
            self._log.drain()
            message = "the process that starts workers has ended"
            raise ArmFailure(Status.CRASHED, Phase.START, message, self._log.tail) from error

    def kill(self, pid: int) -> None:
        """Have the worker `pid` killed, where it hasn't ended yet."""
        with contextlib.suppress(OSError):  # a server that is gone has taken its workers along
            self._control.send(KILL + b"%d" % pid)

    def close(self) -> None:
        """End the process and its workers."""
        self._control.close()
        self._process.wait()
        self._log.close()
