"""The parent's side of one worker, against small programs that misbehave in the worker's place."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotp.errors import ModelError
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent import pool as workers_module
from autotp.measuring.parent import process
from autotp.measuring.parent.capture import TAIL_BYTES
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.process import WorkerProcess
from autotp.measuring.parent.watchdog import UNSCALED_LIMITS, PhaseLimits
from autotp.measuring.protocol import Failed, Inspect, encode
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from tests.support.processes import answered_pid, descriptors, gone, pid_of

BLOCK = Block(count=1, elapsed_s=0.5, latencies_s=(0.5,), memory_bytes=1)

Boot = Callable[[str], WorkerProcess]


@pytest.fixture(scope="module")
def source() -> Iterator[Workers]:
    """One fork server for the module: what it forks runs the program that it's sent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers_module, "ENTRY", "tests.support.program_worker")
        with Workers() as made:
            yield made


@pytest.fixture
def boot(source: Workers) -> Iterator[Boot]:
    """Starts a worker that runs this program instead of its own."""
    started: list[WorkerProcess] = []

    def start(program: str) -> WorkerProcess:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PYTEST_CURRENT_TEST")  # or each test would have a fork server of its own
            started.append(source.start())
        os.write(started[-1]._requests, json.dumps(program).encode() + b"\n")
        return started[-1]

    yield start
    source.clock.limits = UNSCALED_LIMITS
    for worker in started:
        worker.kill()


def allow(source: Workers, phase: Phase, seconds: float) -> None:
    """Set one phase's watchdog."""
    source.clock.limits = PhaseLimits({**UNSCALED_LIMITS.seconds, phase: seconds})


def failure(worker: WorkerProcess, phase: Phase = Phase.BLOCK) -> ArmFailure:
    """How the next reply fails."""
    with pytest.raises(ArmFailure) as caught:
        worker.receive(Block, phase)
    assert caught.value.phase is phase
    return caught.value


def writes(data: bytes) -> str:
    """A statement that sends `data` to the parent."""
    return f"os.write(reply_end, {data!r})\n"


def test_a_reply_may_come_in_pieces(boot: Boot) -> None:
    """A line is put together from whatever pieces the pipe delivers, and a second one waits its turn."""
    data = encode(BLOCK) + b"\n" + encode(Failed(Status.CRASHED, "next")) + b"\n"
    pieces = (data[:5], data[5:-8], data[-8:])
    worker = boot("".join(writes(piece) + "time.sleep(0.03)\n" for piece in pieces) + "time.sleep(60)")
    assert worker.receive(Block, Phase.BLOCK) == BLOCK
    assert failure(worker).message == "next"


def test_requests_reach_the_worker(boot: Boot) -> None:
    """What is sent arrives as one line on the worker's descriptor."""
    worker = boot("line = os.read(request_end, 1000)\nsys.stderr.buffer.write(line)\nsys.exit(3)")
    worker.send(Run(duration_s=0.25))
    assert failure(worker).log_tail == encode(Run(duration_s=0.25)).decode()


@pytest.mark.parametrize(
    "program", ["time.sleep(60)", "while True:\n  os.write(reply_end, b'x')\n  time.sleep(0.01)"]
)
def test_silence_and_endless_noise_time_out(boot: Boot, source: Workers, program: str) -> None:
    """A worker that says nothing, or never ends its line, is TIMED_OUT when the phase's watchdog ends."""
    allow(source, Phase.WARM_UP, 0.3)
    found = failure(boot(program), Phase.WARM_UP)
    assert (found.status, found.message) == (Status.TIMED_OUT, "no answer in time")


def test_the_watchdog_grants_the_blocks_own_length(boot: Boot, source: Workers) -> None:
    """A block may last as long as it was asked to on top of the phase's time."""
    allow(source, Phase.BLOCK, 0.0)
    worker = boot("time.sleep(0.1)\n" + writes(encode(BLOCK) + b"\n") + "time.sleep(60)")
    assert worker.receive(Block, Phase.BLOCK, extra_s=30.0) == BLOCK


@pytest.mark.parametrize(
    ("program", "status", "text"),
    [
        ("sys.exit(3)", Status.CRASHED, "exit code 3"),
        ("sys.exit(0)", Status.CRASHED, "exit code 0"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Status.CRASHED, "signal SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", Status.OUT_OF_MEMORY, "signal SIGKILL, most likely for lack"),
        ("import a_module_that_is_not_there", Status.CRASHED, "exit code 1"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.START, Phase.BLOCK])
def test_a_worker_that_dies_is_described_by_how(
    boot: Boot, program: str, status: Status, text: str, phase: Phase
) -> None:
    """An end by itself or by a signal is CRASHED, by SIGKILL (the kernel's way out) OUT_OF_MEMORY."""
    found = failure(boot(program), phase)
    assert found.status is status
    assert text in found.message


def test_a_worker_that_closes_its_pipe_and_goes_on_is_noticed(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that closed its pipe and doesn't end can't hold the parent up."""
    monkeypatch.setattr(process, "STATUS_WITHIN_S", 0.1)
    found = failure(boot("os.close(reply_end)\ntime.sleep(60)"))
    assert (found.status, found.message) == (Status.CRASHED, "the worker closed its pipe")


def test_the_end_of_what_it_printed_is_kept(boot: Boot) -> None:
    """Of stdout and stderr together the last 2000 bytes go into the failure, even if the tail splits a letter."""
    program = "print('out', flush=True)\nsys.stderr.write('\\N{SNOWMAN}' * 3000 + 'the end\\n')\nsys.exit(1)"
    found = failure(boot(program))
    assert found.log_tail.endswith("\N{SNOWMAN}the end")
    assert 600 < len(found.log_tail) <= TAIL_BYTES
    assert failure(boot("print('out', flush=True)\nsys.stderr.write('err')\nsys.exit(1)")).log_tail == "out\nerr"


def test_the_log_is_read_while_the_worker_writes(boot: Boot) -> None:
    """Reading the log of a worker that is alive doesn't move the place where it writes on."""
    failed = writes(encode(Failed(Status.CRASHED, "said")) + b"\n")
    worker = boot(
        f"os.write(2, b'one ')\n{failed}os.read(request_end, 1)\nos.write(2, b'two')\n{failed}time.sleep(60)"
    )
    assert failure(worker).log_tail == "one"
    worker.send(Run(duration_s=0.1))
    assert failure(worker).log_tail == "one two"


def test_a_timeout_has_the_log(boot: Boot, source: Workers) -> None:
    """What a worker printed before it fell silent is kept."""
    worker = boot("os.write(2, b'stuck')\n" + writes(encode(BLOCK) + b"\n") + "time.sleep(60)")
    assert worker.receive(Block, Phase.BLOCK) == BLOCK
    allow(source, Phase.BLOCK, 0.1)
    found = failure(worker)
    assert (found.status, found.log_tail) == (Status.TIMED_OUT, "stuck")


def test_what_the_user_can_mend_is_a_model_error_while_inspecting(boot: Boot) -> None:
    """A failure marked as input is the user's fault while a model is inspected, the arm's in every other phase."""
    reply = encode(Failed(Status.INVALID, "no such input", input_error=True)) + b"\n"
    with pytest.raises(ModelError, match="no such input"):
        boot(writes(reply) + "time.sleep(60)").receive(Block, Phase.INSPECT)
    assert failure(boot(writes(reply) + "time.sleep(60)"), Phase.START).status is Status.INVALID


CHILD = """
code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session={apart}, pass_fds=(reply_end,))
os.write(reply_end, b"%d\\n" % child.pid)
"""


@pytest.mark.parametrize("apart", [False, True])
def test_kill_ends_all_that_the_worker_started(boot: Boot, apart: bool) -> None:
    """The worker's own children die with it, even those that ignore polite signals or left its session."""
    worker = boot(CHILD.format(apart=apart) + "time.sleep(60)")
    child, pid = answered_pid(worker), pid_of(worker)
    worker.kill()
    assert not Path(f"/proc/{pid}").exists()
    assert gone(child)


@pytest.mark.parametrize("apart", [False, True])
def test_a_child_that_holds_the_pipe_open_hides_no_death(boot: Boot, apart: bool) -> None:
    """That the worker has ended is seen at once, whoever else could still write into its pipe."""
    worker = boot(CHILD.format(apart=apart) + "sys.exit(5)")
    child = answered_pid(worker)
    assert "exit code 5" in failure(worker).message  # and not that it was silent until the watchdog's end
    assert gone(child)


def test_what_was_answered_before_the_end_still_counts(boot: Boot) -> None:
    """A whole reply is taken, and only then is the worker's end a failure."""
    worker = boot(writes(encode(BLOCK) + b"\n") + "sys.exit(6)")
    assert gone(pid_of(worker))
    assert worker.receive(Block, Phase.BLOCK) == BLOCK
    assert "exit code 6" in failure(worker).message


def test_kill_may_be_repeated_and_frees_what_was_opened(boot: Boot) -> None:
    """After a kill no descriptor is left open, and another kill does nothing."""
    boot("time.sleep(60)").kill()  # the fork server, too, has descriptors
    before = descriptors()
    worker = boot("time.sleep(60)")
    assert descriptors() > before
    worker.kill()
    worker.kill()
    assert descriptors() == before


def test_a_hang_up_ends_the_worker_without_waiting(boot: Boot) -> None:
    """Several can begin to end before one is waited for; it may be repeated, also after the kill."""
    workers = [boot("time.sleep(60)") for _ in range(3)]
    pids = [pid_of(worker) for worker in workers]
    for worker in workers:
        worker.hang_up()
        worker.hang_up()
    assert all(gone(pid) for pid in pids)
    for worker in workers:
        worker.kill()
        worker.hang_up()


def test_a_request_to_a_dead_worker_shows_at_the_reply(boot: Boot) -> None:
    """Sending to a worker that is gone raises nothing; the failure comes with the next receive."""
    worker = boot("sys.exit(4)")
    assert gone(pid_of(worker))
    worker.send(Run(duration_s=0.1))
    assert "exit code 4" in failure(worker).message


def test_a_request_larger_than_the_pipe_waits_for_its_reader(boot: Boot, source: Workers) -> None:
    """Sending never blocks: a slow reader gets all of it during the receive, one that hangs times out."""
    request = Inspect(ModelFiles(Path("x" * 300_000), ModelKind.IR), {})
    size = len(encode(request)) + 1
    reads = f"got = 0\nwhile got < {size}:\n  got += len(os.read(request_end, 50_000))\n  time.sleep(0.01)\n"
    worker = boot(reads + writes(encode(BLOCK) + b"\n") + "time.sleep(60)")
    worker.send(request)
    assert worker.receive(Block, Phase.BLOCK) == BLOCK
    hanging = boot("time.sleep(60)")
    hanging.send(request)
    allow(source, Phase.BLOCK, 0.2)
    assert failure(hanging).status is Status.TIMED_OUT


def test_a_drip_faster_than_its_reader_times_out(boot: Boot, source: Workers) -> None:
    """A worker that always has another byte to say can't keep the watchdog from ending."""
    worker = boot("while True:\n  os.write(reply_end, b'x' * 100)")
    allow(source, Phase.BLOCK, 0.2)
    assert failure(worker).status is Status.TIMED_OUT


def test_a_worker_has_a_session_of_its_own(boot: Boot) -> None:
    """The worker leads its own session and group, so the terminal's signals don't reach it."""
    worker = boot(writes(b"1\n") + "time.sleep(60)")
    answered_pid(worker)
    pid = pid_of(worker)
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert os.getsid(pid) != os.getsid(0)


def test_a_stopped_worker_can_be_killed(boot: Boot) -> None:
    """A worker that hangs in a stop is ended like any other."""
    worker = boot("time.sleep(60)")
    pid = pid_of(worker)
    os.kill(pid, signal.SIGSTOP)
    worker.kill()
    assert not Path(f"/proc/{pid}").exists()


def test_a_worker_that_was_only_just_forked_can_be_killed(boot: Boot) -> None:
    """A kill may come before the worker leads a group of its own."""
    for _ in range(20):
        worker = boot("time.sleep(60)")
        pid = pid_of(worker)
        worker.kill()
        assert not Path(f"/proc/{pid}").exists()
