"""Where workers come from: fork servers that start quickly, leave nothing behind, and fail in one sentence."""

import errno
import os
import resource
import signal
import sys
from pathlib import Path

import psutil
import pytest

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent import pool as workers_module
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.process import WorkerProcess
from autotp.measuring.parent.watchdog import UNSCALED_LIMITS, PhaseClock, PhaseLimits
from autotp.measuring.protocol import Ready
from tests.support.processes import answered_pid, descriptors, gone, pid_of


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


def test_a_worker_is_forked_from_a_process_that_has_openvino(workers: Workers) -> None:
    """So all starts after the first cost a fork, and no import."""
    first, second = ready(workers), ready(workers)
    server = server_of(first)
    assert server == server_of(second)
    assert any("openvino" in Path(mapped.path).name for mapped in server.memory_maps())


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


def entry(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Have workers run a module that the server imports, whose `main` answers the `number` that it has found."""
    main = "def main(requests, replies):\n    os.write(replies, b'%d\\n' % number)\n    os.read(requests, 1)\n"
    (folder / "made_entry.py").write_text(f"import os, threading, time, warnings\n{program}\n{main}")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(workers_module, "ENTRY", "made_entry")


def test_the_server_has_one_thread_before_it_forks(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that it imports starts a thread: where processes are limited there may be none left for it."""
    counting = "import autotp.measuring.child.worker\nnumber = len(os.listdir('/proc/self/task'))"
    entry(tmp_path, monkeypatch, counting)
    worker = workers.start()
    assert answered_pid(worker) == 1
    worker.kill()


def test_a_warning_made_an_error_loses_no_worker(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a thread after all Python warns of the fork, in the server, which goes on."""
    warned = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nwarnings.simplefilter('error')"
    entry(tmp_path, monkeypatch, warned + "\nnumber = 7")
    for _ in range(2):
        worker = workers.start()
        assert answered_pid(worker) == 7
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
    monkeypatch.setattr("autotp.measuring.parent.process.KILLED_WITHIN_S", 0.1)
    monkeypatch.setattr(workers_module, "END_WITHIN_S", 0.1)
    worker = ready(workers)
    pid, server = pid_of(worker), server_of(worker)
    server.suspend()
    late = workers.start()
    workers.clock.limits = PhaseLimits({**UNSCALED_LIMITS.seconds, Phase.START: 0.1})
    with pytest.raises(EnvironmentFailure, match="the process that forks them doesn't answer"):
        late.receive(Ready, Phase.START)
    late.kill()
    worker.kill()
    workers.close()
    assert not server.is_running()
    assert gone(pid)


@pytest.mark.parametrize("module", ["tests.no_such_module", "tests.support.garbage.nothing"])
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


@pytest.mark.parametrize("has_server", [False, True])
def test_too_few_descriptors_are_a_failure_of_the_environment(workers: Workers, has_server: bool) -> None:
    """Wherever they run out while a worker starts: one sentence that says what to raise, and none is lost."""
    if has_server:
        ready(workers).kill()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = descriptors()
    failures = 0
    for most in range(10, max(map(int, before)) + 20):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            workers.start().kill()
            break
        except EnvironmentFailure as failure:
            assert "Too many open files: raise the limit of open files (ulimit -n)" in str(failure)
            failures += 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if not has_server and workers._servers:
            break  # the rest is as with one
        assert descriptors() == before
    assert failures > 3


def test_a_folder_that_is_gone_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the current folder was deleted the text says what to do."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    with pytest.raises(EnvironmentFailure, match="current folder is gone: change to one that exists"):
        workers.start()


def test_room_is_what_memory_holds_of_the_largest_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first arm, and where free memory is unknown, nothing is held back; then the largest counts."""
    workers = Workers()
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: 10 << 30)
    assert workers.room > 1000
    for arm_gib, room in ((1, 9), (3, 3), (2, 3), (20, 0)):
        workers.note_arm_memory(arm_gib << 30)
        assert workers.room == room
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: None)
    assert workers.room > 1000


def test_an_arm_is_admitted_beside_those_that_are_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two a third that starts with them is one too many, which is a failure that says so."""
    workers = Workers()
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: 10 << 30)
    workers.note_arm_memory(4 << 30)
    workers.admit(beside=0)
    workers.admit(beside=1)
    with pytest.raises(ArmFailure, match=r"takes 4.00 GiB of memory, and there is room for 2 more") as caught:
        workers.admit(beside=2)
    assert (caught.value.status, caught.value.phase) == (Status.OUT_OF_MEMORY, Phase.START)


class Refusing:
    """A fork server that the kernel refuses a process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fork(self, ends: list[int]) -> None:
        """Report the errno, and let the tuner close the ends."""
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
