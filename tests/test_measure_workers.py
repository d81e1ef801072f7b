"""Where workers come from: fork servers that start quickly, leave nothing behind, and fail in one sentence."""

import errno
import os
import signal
import statistics
import sys
import time
from pathlib import Path

import psutil
import pytest

from autotp.errors import EnvironmentFailure
from autotp.measure import Workers
from autotp.measure import workers as workers_module
from autotp.measure.phases import UNSCALED_S, Limits, PhaseClock
from autotp.measure.process import WorkerProcess
from autotp.measure.protocol import ArmFailure, Phase, Ready, Status
from tests.test_measure_process import descriptors, gone, pid_of

READY_WITHIN_S = 0.2


def ready(workers: Workers) -> WorkerProcess:
    """A worker that has said that it's there."""
    worker = workers.start()
    worker.receive(Ready, Phase.START)
    return worker


def server_of(worker: WorkerProcess) -> psutil.Process:
    """The process that it was forked from."""
    parent = psutil.Process(pid_of(worker)).parent()
    assert parent is not None
    return parent


def test_a_worker_is_ready_in_a_fifth_of_a_second(workers: Workers) -> None:
    """The median of the starts after the first, which imports OpenVINO."""
    ready(workers).kill()
    took_s = []
    for _ in range(5):
        began = time.monotonic()
        worker = ready(workers)
        took_s.append(time.monotonic() - began)
        worker.kill()
    assert statistics.median(took_s) < READY_WITHIN_S


def test_a_worker_has_nothing_of_its_siblings(workers: Workers) -> None:
    """It has its own two pipes, its output and no input: no socket of the server's, no pipe of another worker."""
    first, second = ready(workers), ready(workers)
    pipes = []
    for worker in (first, second):
        links = {int(fd.name): str(fd.readlink()) for fd in Path(f"/proc/{pid_of(worker)}/fd").iterdir()}
        assert links.pop(0) == "/dev/null"
        assert all(link.startswith("pipe:") for link in links.values())
        assert links.pop(1) == links[2]
        pipes.append(set(links.values()))
        assert len(pipes[-1]) == len(links) == 3
    assert not pipes[0] & pipes[1]
    first.kill()
    second.kill()


def test_the_server_has_one_thread_and_no_other_children(workers: Workers) -> None:
    """A thread's locks would be forked along, and OpenVINO's telemetry, which has one, is left out."""
    worker = ready(workers)
    server = server_of(worker)
    assert server.num_threads() == 1
    assert [child.pid for child in server.children()] == [worker.pid]
    worker.kill()


def test_nothing_is_left_after_the_end() -> None:
    """Workers that nobody killed, and the server, are gone and reaped; the tuner has no descriptor more."""
    before = descriptors()
    with Workers() as workers:
        started = [ready(workers) for _ in range(3)]
        pids = [server_of(started[0]).pid, *map(pid_of, started)]
        os.kill(pids[-1], signal.SIGSTOP)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    for worker in started:
        worker.kill()
    assert descriptors() == before


def test_each_environment_has_its_server(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has the environment as it was when it was asked for; equal ones share a server."""
    found = []
    for value in ("a", "b", "a"):
        monkeypatch.setenv("AUTOTP_TESTS", value)
        worker = ready(workers)
        assert psutil.Process(pid_of(worker)).environ()["AUTOTP_TESTS"] == value
        found.append(server_of(worker).pid)
    assert found[0] == found[2] != found[1]


def test_workers_end_with_their_server_and_the_next_has_a_new_one(workers: Workers) -> None:
    """A server that is killed takes its workers along, at once; they have CRASHED, and the next start works."""
    worker = ready(workers)
    pid, server = pid_of(worker), server_of(worker)
    server.kill()
    assert gone(pid)
    with pytest.raises(ArmFailure, match="the process that the worker was forked from has ended") as caught:
        worker.receive(Ready, Phase.BLOCK)
    assert caught.value.status is Status.CRASHED
    worker.kill()
    ready(workers).kill()


def test_a_server_that_hangs_holds_nothing_up(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server is stopped a start fails, a kill gives up, and the end of all still leaves nothing."""
    monkeypatch.setattr("autotp.measure.process.KILLED_WITHIN_S", 0.1)
    monkeypatch.setattr(workers_module, "END_WITHIN_S", 0.1)
    worker = ready(workers)
    pid, server = pid_of(worker), server_of(worker)
    server.suspend()
    late = workers.start()
    workers.clock.limits = Limits({**UNSCALED_S, Phase.START: 0.1})
    with pytest.raises(EnvironmentFailure, match="the process that forks them doesn't answer"):
        late.receive(Ready, Phase.START)
    late.kill()
    worker.kill()
    workers.close()
    assert not server.is_running()
    assert gone(pid)


@pytest.mark.parametrize("module", ["tests.no_such_module", "tests.garbage.nothing"])
def test_a_server_that_cannot_start_is_one_clear_failure(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """The environment failed: how the server ended, and what it printed."""
    monkeypatch.setattr(workers_module, "ENTRY", module)
    worker = workers.start()
    with pytest.raises(EnvironmentFailure, match=r"ended with code 1\. It said:\n(.|\n)*ModuleNotFoundError"):
        worker.receive(Ready, Phase.START)
    worker.kill()
    assert worker.pid is None


def test_an_interpreter_that_is_not_there_is_one_clear_failure(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no process can be started at all nothing stays open."""
    before = descriptors()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EnvironmentFailure, match="No process can be started: No such file"):
        workers.start()
    assert descriptors() == before


class Refusing:
    """A fork server that the kernel refuses a process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fork(self, ends: list[int]) -> None:
        """Tell the errno, and let the tuner close the ends."""
        os.write(ends[3], b"-%d\n" % self.number)

    def failure(self) -> EnvironmentFailure:
        """It's no failure of the environment."""
        raise AssertionError


@pytest.mark.parametrize(
    ("number", "status"), [(errno.EAGAIN, Status.CRASHED), (errno.ENOMEM, Status.OUT_OF_MEMORY)]
)
def test_a_fork_that_the_kernel_refuses_fails_its_arm_alone(number: int, status: Status) -> None:
    """Where no more processes may be made the arm fails in its start, and no process id is made up."""
    worker = WorkerProcess(Refusing(number), PhaseClock())
    assert worker.pid is None
    with pytest.raises(ArmFailure, match="no process can be forked: ") as caught:
        worker.receive(Ready, Phase.START)
    assert (caught.value.status, caught.value.phase) == (status, Phase.START)
    worker.kill()
