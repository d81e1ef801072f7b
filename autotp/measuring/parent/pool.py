"""Starts workers from fork servers (one per environment and folder), as far as memory allows."""

import errno
import os
import select
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent.capture import CapturedOutput
from autotp.measuring.parent.fork_server import START
from autotp.measuring.parent.process import WorkerProcess
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.topology.envelope.memory import available_memory_bytes

ENTRY = "autotp.measuring.child.worker"
END_WITHIN_S = 60.0  # as long as its workers may need to end
MEMORY_SHARE = 0.9  # of the free memory; the rest is for what arms allocate while they run
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
_SERVER = "autotp.measuring.parent.fork_server"
_BOOT = f"import sys; argv = sys.argv; sys.path[:] = argv[3:]; from {_SERVER} import main; main()"


class Workers:
    """Starts workers; a context manager that leaves no process behind. `clock` times and limits their phases."""

    def __init__(self) -> None:
        self.clock = PhaseClock()
        self._arm_bytes = 0  # the most memory that an arm took to compile so far
        self._servers: dict[object, _ServerProcess] = {}

    @property
    def room(self) -> int:
        """How many more arms fit into the free memory, if each takes as much as the largest so far."""
        left = available_memory_bytes() if self._arm_bytes else None
        return sys.maxsize if left is None else int(MEMORY_SHARE * left / self._arm_bytes)

    @property
    def shortage(self) -> str:
        """The reason why no more arms can start."""
        return f"an arm takes {self._arm_bytes / 2**30:.2f} GiB of memory, and there is room for {self.room} more"

    def note_arm_memory(self, arm_bytes: int) -> None:
        """Note how much memory an arm took."""
        self._arm_bytes = max(self._arm_bytes, arm_bytes)

    def forget_arm_memory(self) -> None:
        """Forget how much memory arms took so far: the next one says more."""
        self._arm_bytes = 0

    def admit(self, beside: int) -> None:
        """Check that one more arm can start, besides `beside` arms that haven't taken their memory yet.

        Raises:
            ArmFailure: there is no room for it.
        """
        if self.room <= beside:
            raise ArmFailure(Status.OUT_OF_MEMORY, Phase.START, self.shortage)

    def start(self) -> WorkerProcess:
        """Start a worker in the current environment and folder, and return at once.

        Raises:
            EnvironmentFailure: no process can be started.
        """
        try:
            return WorkerProcess(self._server(), self.clock)
        except OSError as error:
            cure = ": raise the limit of open files (ulimit -n)" if error.errno in _TOO_MANY_FILES else ""
            raise EnvironmentFailure(f"No process can be started: {error.strerror}{cure}.") from error

    def close(self) -> None:
        """End the fork servers, and with them all workers that are left."""
        while self._servers:
            _, server = self._servers.popitem()
            server.close()

    def _server(self) -> "_ServerProcess":
        place = (frozenset(os.environ.items()), _folder())
        if place in self._servers and self._servers[place].ended:
            self._servers.pop(place).close()
        if place not in self._servers:
            self._servers[place] = _ServerProcess()
        return self._servers[place]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise EnvironmentFailure("The current folder is gone: change to one that exists.") from error


class _ServerProcess:
    """The tuner's side of one fork server."""

    def __init__(self) -> None:
        with ExitStack() as ours:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.callback(self._control.close)
            with theirs:
                self._control.setblocking(False)
                self._output = CapturedOutput()
                ours.callback(self._output.close)
                try:
                    self._process = self._spawn(theirs)
                finally:
                    self._output.close_write_end()
            self._ours = ours.pop_all()

    def _spawn(self, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), ENTRY, *sys.path],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self._output.write_end,
            stderr=self._output.write_end,
            env={"OPENBLAS_NUM_THREADS": "1", **os.environ},  # else importing numpy starts a thread for each CPU
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether the process has ended: its end of the control socket is closed."""
        poll = select.poll()
        poll.register(self._control, 0)
        return bool(poll.poll(0))

    def fork(self, ends: list[int]) -> None:
        """Request a worker that gets `ends`.

        Raises:
            EnvironmentFailure: the server has ended or doesn't answer.
        """
        self._output.drain()  # so that the server never blocks on a full pipe
        try:
            socket.send_fds(self._control, [START], ends)
        except OSError as error:
            raise self.failure() from error

    def failure(self) -> EnvironmentFailure:
        """Return the error that says why no worker was forked."""
        how = "doesn't answer"
        with suppress(subprocess.TimeoutExpired):
            how = f"ended with code {self._process.wait(END_WITHIN_S if self.ended else 0)}"
        self._output.drain()
        said = f" It said:\n{self._output.tail}" if self._output.tail else ""
        return EnvironmentFailure(f"No worker can be started: the process that forks them {how}.{said}")

    def close(self) -> None:
        """End the process and its workers."""
        self._control.close()
        try:
            self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel kills its workers, too (PR_SET_PDEATHSIG)
            self._process.wait()
        finally:
            self._ours.close()
