"""The machine-wide lock at the command line: who waits, what is reported, who fails."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autotp as package
from autotp.errors import EnvironmentFailure
from autotp.measuring.lock import VARIABLE, machine_lock
from autotp.tuning.events import Event, Waiting
from tests.support.command_line import autotp
from tests.support.models import matmul_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small IR."""
    return str(matmul_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """Another process measures until its input ends."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lock"))
    program = (
        "import sys\nfrom autotp.measuring.lock import machine_lock\n"
        "with machine_lock('autotp tune other.xml', True, print): print('has it', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        yield process
        process.kill()


@pytest.mark.parametrize("command", ["tune {}", "measure {}", "compare hint:none hint:none --model {}", "demo"])
def test_nobody_measures_beside_another(
    command: str, model: str, held: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --no-wait each command that measures ends at once: exit code 5, one sentence that says who is at it."""
    monkeypatch.chdir(tmp_path)
    code, out, err = autotp(*command.format(model).split(), "--no-wait")
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert err.startswith(f"autotp: process {held.pid} (autotp tune other.xml, since 20")
    assert not list(tmp_path.glob("results/*/study.db"))


def test_tune_waits_and_says_for_whom(model: str, held: subprocess.Popen[str], tmp_path: Path) -> None:
    """The first JSON line is `waiting`, with the holder; once it is gone the tuning has its whole budget."""
    options = ["--budget", "0.5s", "--json", "--out", str(tmp_path / "out")]
    argv = [sys.executable, "-m", "autotp", "tune", model, *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first: dict[str, Any] = json.loads(process.stdout.readline())
        assert (first["event"], first["holder"]["pid"]) == ("waiting", held.pid)
        held.kill()
        events = [json.loads(line)["event"] for line in process.stdout.read().splitlines()]
    assert (events[0], events[-1]) == ("began", "verdict")


def test_measure_waits_and_says_so_on_stderr(model: str, held: subprocess.Popen[str]) -> None:
    """Its only line on stdout stays the answer."""
    argv = [sys.executable, "-m", "autotp", "measure", model, "--budget", "0.2s", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(
            f"autotp: waiting for process {held.pid} (autotp tune other.xml"
        )
        held.kill()
        out, _ = process.communicate(timeout=60)
    assert json.loads(out)["throughput_per_s"] > 0


def test_tune_from_python_takes_the_lock_too(model: str, held: subprocess.Popen[str], tmp_path: Path) -> None:
    """`no_wait` raises; a caller that holds the lock already isn't made to wait for itself."""
    with pytest.raises(EnvironmentFailure, match="autotp tune other"):
        package.tune(model, no_wait=True, out=tmp_path / "out")
    held.kill()
    held.wait()
    events: list[Event] = []
    with machine_lock("mine", False, lambda holder: None):
        package.tune(model, budget_s=0.3, out=tmp_path / "out", listener=events.append)
    assert not any(isinstance(event, Waiting) for event in events)
