"""Finding the study that the dashboard is to show."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from autotp.errors import EnvironmentFailure, InputError, StudyError
from autotp.report.dashboard import HOST, find_storage


def study_in(folder: Path, age_s: float = 0.0) -> Path:
    """An empty study in `folder`, last changed `age_s` seconds ago."""
    folder.mkdir(parents=True)
    path = folder / "study.db"
    optuna.create_study(study_name="s", storage=f"sqlite:///{path}")
    stamp = path.stat().st_mtime - age_s
    os.utime(path, (stamp, stamp))
    return path


def test_a_folder_with_a_study_is_shown(tmp_path: Path) -> None:
    """DIR is the study's own folder."""
    path = study_in(tmp_path / "a")
    assert find_storage(str(tmp_path / "a")) == path


def test_the_newest_study_below_a_folder_is_shown(tmp_path: Path) -> None:
    """Of several folders with studies the one that changed last is taken."""
    study_in(tmp_path / "new_by_name", age_s=60)
    newest = study_in(tmp_path / "a")
    assert find_storage(str(tmp_path)) == newest


def test_a_url_is_taken_as_it_is(tmp_path: Path) -> None:
    """A storage URL that can be read stays."""
    url = f"sqlite:///{study_in(tmp_path / 'a')}"
    assert find_storage(url) == url


def test_no_study_is_said(tmp_path: Path) -> None:
    """What holds no study and what can't be read are errors of their kinds, and nothing is made."""
    for source in (str(tmp_path), str(tmp_path / "gone"), f"sqlite:///{tmp_path / 'gone.db'}"):
        with pytest.raises(StudyError, match="no study"):
            find_storage(source)
    with pytest.raises(InputError):
        find_storage("foo://x")
    broken = tmp_path / "broken.db"
    broken.write_text("no database at all " * 100)
    with pytest.raises(EnvironmentFailure):
        find_storage(f"sqlite:///{broken}")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.db"]


def test_a_name_that_no_folder_can_have_is_bad_input() -> None:
    """A name that is too long is a StudyError, which says so in one sentence."""
    with pytest.raises(StudyError, match=r"can't be read: .*\.$"):
        find_storage("x" * 300)


def test_it_listens_to_this_machine_alone() -> None:
    """The address is the loopback's."""
    assert HOST == "127.0.0.1"


DEAF = """
import sys, time
import optuna_dashboard
from autotp.report.dashboard import serve_dashboard

def run_server(*_, **__):
    print("ready", flush=True)
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass

optuna_dashboard.run_server = run_server
serve_dashboard(sys.argv[1], 1)
"""


def test_an_interrupt_ends_a_server_that_is_answering(tmp_path: Path) -> None:
    """While it answers it takes interrupts for errors of the answer, so they must reach another thread."""
    command = [sys.executable, "-c", DEAF, f"sqlite:///{study_in(tmp_path / 'a')}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) != 0
        finally:
            process.kill()
