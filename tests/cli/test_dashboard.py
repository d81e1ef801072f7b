"""`autotp dashboard`."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import optuna
import psutil
import pytest

from autotp.tuning.study.storage_url import open_storage
from tests.support.command_line import autotp


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder, with a name that is no part of a URL, that holds an empty study."""
    folder = tmp_path / "what? {1} %41 #}"
    folder.mkdir()
    optuna.create_study(study_name="s", storage=open_storage(folder / "study.db"))
    return folder


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetched(url: str, seconds: float = 20.0) -> str:
    """The page at `url`, asked for until it's served."""
    deadline = monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as page:
                return str(page.read().decode())
        except OSError:
            if monotonic() > deadline:
                raise
            sleep(0.1)


def test_it_serves_the_study_on_this_machine_alone(study: Path) -> None:
    """The page is there on 127.0.0.1 and on no other address; Ctrl-C ends it with 130."""
    port = free_port()
    argv = [sys.executable, "-m", "autotp", "dashboard", str(study), "--port", str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert "<html" in fetched(f"http://127.0.0.1:{port}/dashboard").lower()
            assert '"s"' in fetched(f"http://127.0.0.1:{port}/api/studies")
            listening = [
                c for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN
            ]
            assert [(c.laddr.ip, c.laddr.port) for c in listening] == [("127.0.0.1", port)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert f"http://127.0.0.1:{port}/" in out
    assert "Traceback" not in err


def test_no_study_is_bad_input(tmp_path: Path) -> None:
    """A folder without a study: one sentence, exit code 2."""
    code, out, err = autotp("dashboard", str(tmp_path))
    assert (code, out) == (2, "")
    assert err == f"autotp: There is no study in {tmp_path}: autotp tune makes one.\n"


def test_a_port_that_is_taken_is_bad_input(
    study: Path,
) -> None:
    """The sentence names the port and the flag."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, _, err = autotp("dashboard", str(study), "--port", str(port))
    assert code == 2
    assert f"autotp: Can't serve on port {port}" in err
    assert "--port" in err
    assert "Traceback" not in err


def test_a_password_is_not_printed() -> None:
    """Whatever is wrong with the URL, the error never shows the password."""
    code, out, err = autotp("dashboard", "foo://ann:hunter2@host/db?password=hunter2")
    assert code == 2
    assert "hunter2" not in out + err
