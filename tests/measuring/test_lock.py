"""The machine-wide lock, between real processes."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic, sleep

import msgspec
import psutil
import pytest

from autotp.errors import EnvironmentFailure
from autotp.measuring import lock as lock_module
from autotp.measuring.lock import VARIABLE, Holder, machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.options import Spelling, spelled_for

HOLD = """
import sys
from autotp.measuring.lock import machine_lock
with machine_lock("autotp test", False, lambda holder: print("waits for", holder, flush=True)):
    print("has it", flush=True)
    sys.stdin.read()
"""


def nobody(holder: Holder) -> None:
    """Isn't made to wait."""
    pytest.fail(f"had to wait for {holder}")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lock of this test's own."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lock"))
    return tmp_path / "lock"


def start() -> subprocess.Popen[str]:
    """Another process that takes the lock and holds it until its input ends."""
    return subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with start() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        yield process
        process.kill()


def test_a_held_lock_fails_at_once_where_nobody_waits(other: subprocess.Popen[str]) -> None:
    """With `no_wait` the failure says who holds it (process, command, since when) and what to leave out."""
    who = rf"^process {other.pid} \(autotp test, since 20.*leave out"
    with pytest.raises(EnvironmentFailure, match=rf"{who} no_wait\."):
        machine_lock("mine", True, nobody).__enter__()
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(EnvironmentFailure, match=rf"{who} --no-wait\."):
        machine_lock("mine", True, nobody).__enter__()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_waiter_gets_the_lock_when_its_holder_dies(other: subprocess.Popen[str], how: signal.Signals) -> None:
    """The waiter learns once whom it waits for, sleeps, and goes on when the holder is killed."""
    with start() as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline().startswith(f"waits for process {other.pid} (autotp test, since 20")
        sleep(0.2)
        process = psutil.Process(waiter.pid)
        assert process.status() == psutil.STATUS_SLEEPING
        before = process.cpu_times()
        sleep(0.2)
        assert process.cpu_times()[:2] == before[:2]
        other.send_signal(how)
        assert waiter.stdout.readline() == "has it\n"
        waiter.kill()


def test_ctrl_c_ends_a_wait(other: subprocess.Popen[str]) -> None:
    """SIGINT while waiting is a KeyboardInterrupt, and the next one waits again for the same holder."""
    with start() as waiter:
        assert waiter.stdout is not None
        waiter.stdout.readline()
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(10) == -signal.SIGINT
    assert other.poll() is None
    with pytest.raises(EnvironmentFailure):
        machine_lock("mine", True, nobody).__enter__()


def test_neither_workers_nor_forks_keep_the_lock(path: Path, workers: Workers) -> None:
    """A worker, and a fork of the holder, that outlive the hold don't hold on to it."""
    reads, writes = os.pipe()
    with machine_lock("first", True, nobody):
        child = os.fork()
        if child == 0:
            os.read(reads, 1)
            os._exit(0)
        worker = workers.start()
        assert worker.pid is not None
    with machine_lock("second", True, nobody):
        assert psutil.pid_exists(worker.pid)
    os.write(writes, b"x")
    assert os.waitpid(child, 0)[1] == 0


def test_a_thread_that_holds_it_may_take_it_again(path: Path) -> None:
    """A nested take passes and doesn't end the outer one."""
    with machine_lock("outer", True, nobody):
        with machine_lock("inner", True, nobody):
            pass
        with start() as waiter:
            assert waiter.stdout is not None
            assert waiter.stdout.readline().startswith(f"waits for process {os.getpid()} (outer, ")
            waiter.kill()


def test_another_thread_waits_as_another_process_does(path: Path) -> None:
    """Two tunings in threads of one process don't spoil each other's measurements either."""
    order: list[str] = []

    def take() -> None:
        with machine_lock("second", False, lambda holder: order.append("waits")):
            order.append("second")

    thread = Thread(target=take)
    with machine_lock("first", True, nobody):
        thread.start()
        deadline = monotonic() + 10
        while not order and monotonic() < deadline:
            sleep(0.01)
        order.append("first ends")
    thread.join()
    assert order == ["waits", "first ends", "second"]


def test_everyone_may_write_the_file_whatever_the_umask(path: Path) -> None:
    """It is made with mode 0666 under a umask of 077, nothing else is left in its folder, and it's empty after."""
    before = os.umask(0o077)
    try:
        with machine_lock("mine", True, nobody):
            assert msgspec.json.decode(path.read_bytes())["command"] == "mine"
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert [file.name for file in path.parent.iterdir()] == ["lock"]
    assert path.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_somebody_elses_file_is_locked_without_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that others may only read is locked all the same; one that they may not even read is refused."""
    program = HOLD.replace("sys.stdin.read()", "").replace("with", "import os; os.setuid(65534)\nwith", 1)
    with TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        path = Path(folder, "lock")
        path.write_text("")
        monkeypatch.setenv(VARIABLE, str(path))
        for mode, words in ((0o644, "has it\n"), (0o600, "")):
            path.chmod(mode)
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
            assert done.stdout == words
            assert path.read_bytes() == b""
    assert f"{path}: Permission denied. Delete that file, or set {VARIABLE}" in done.stderr


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_what_is_no_plain_file_is_refused(path: Path, kind: str) -> None:
    """A symlink isn't followed, a FIFO doesn't block: one sentence that names the file."""
    if kind == "symlink":
        (path.parent / "target").touch()
        path.symlink_to(path.parent / "target")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(EnvironmentFailure, match=f"can't be used: {path}: "):
        machine_lock("mine", True, nobody).__enter__()


def test_a_file_with_another_name_is_not_overwritten(path: Path) -> None:
    """Someone who links a file of ours to the lock's name gets it locked, not emptied."""
    precious = path.parent / "precious"
    precious.write_text("kept")
    path.hardlink_to(precious)
    with machine_lock("mine", True, nobody):
        pass
    assert precious.read_text() == "kept"


def test_a_deleted_file_is_made_anew(path: Path) -> None:
    """Who waited for a file that somebody has deleted since takes the lock that others now see."""
    with machine_lock("first", True, nobody), start() as waiter:
        assert waiter.stdout is not None
        waiter.stdout.readline()
        path.unlink()
        with start() as third:
            assert third.stdout is not None
            assert third.stdout.readline() == "has it\n"
            os.kill(waiter.pid, 0)
            third.kill()
        waiter.kill()


def test_without_a_folder_the_next_one_serves(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /dev/shm isn't there /tmp is taken; where neither is, the variable is named."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(lock_module, "FILES", (path / "gone" / "lock", path))
    with machine_lock("mine", True, nobody):
        assert path.is_file()
    monkeypatch.setattr(lock_module, "FILES", (path.parent / "gone" / "lock",))
    with pytest.raises(EnvironmentFailure, match=rf"can't be made in .*gone: set {VARIABLE}"):
        machine_lock("mine", True, nobody).__enter__()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "another process"),
        (b"\xff{", "another process"),
        (b'{"pid": "x"}', "another process"),
        (b'{"pid": 7}', "process 7"),
        (b'{"pid": 7, "command": "a\\u001b[2Jb\\nc\\u202e"}', "process 7 (a?[2Jb?c?)"),
        (b'{"pid": 7, "command": "' + b"x" * 500 + b'"}', f"process 7 ({'x' * 100})"),
    ],
)
def test_what_the_file_says_is_not_trusted(
    other: subprocess.Popen[str], path: Path, content: bytes, words: str
) -> None:
    """Anyone may write it: garbage is nobody's name, control characters are shown as such, length is bounded."""
    path.write_bytes(content)
    with pytest.raises(EnvironmentFailure) as failure:
        machine_lock("mine", True, nobody).__enter__()
    assert str(failure.value).startswith(f"{words} measures")
