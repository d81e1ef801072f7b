"""The command line as a whole: help, exit codes, and that errors are caught once."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest

from autotp.cli import COMMANDS
from tests.support.command_line import autotp
from tests.support.interrupts import receive


def test_help_names_every_command() -> None:
    """`autotp --help` lists the commands and gives an example."""
    code, out, err = autotp("--help")
    assert (code, err) == (0, "")
    assert [name for name in COMMANDS if f"  {name} " not in out] == []
    assert "Example: autotp tune" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example(
    command: str,
) -> None:
    """Each command's help shows a call of it."""
    code, out, _ = autotp(command, "--help")
    assert code == 0
    assert f"Example: autotp {command}" in out


def test_no_command_shows_the_help() -> None:
    """`autotp` alone shows how it's used, exit code 2."""
    code, _, err = autotp()
    assert code == 2
    assert [name for name in COMMANDS if name not in err] == []


def test_the_version_is_the_packages() -> None:
    """`autotp --version` prints the installed version."""
    code, out, _ = autotp("--version")
    assert code == 0
    assert version("autotp") in out


@pytest.mark.parametrize("arguments", [("bogus",), ("probe", "--bogus"), ("tune",), ("probe", "extra")])
def test_what_click_refuses_is_one_sentence(
    arguments: tuple[str, ...],
) -> None:
    """An unknown command or flag, a missing or an extra argument: one line on stderr, exit code 2."""
    code, out, err = autotp(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("autotp: ")
    assert err.count("\n") == 1


def test_a_bug_says_how_to_report_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What isn't an AutotpError is ours: the trace, what to send, exit code 70."""

    def broken(sysroot: object) -> None:
        raise RuntimeError("we forgot this case")

    monkeypatch.setattr("autotp.topology.probe.probe", broken)
    code, out, err = autotp("probe")
    assert (code, out) == (70, "")
    assert "RuntimeError: we forgot this case" in err
    assert "bug in autotp" in err.splitlines()[-1]
    assert "autotp probe --json" in err.splitlines()[-1]


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt of any command is one word on stderr and exit code 130."""

    def interrupted(sysroot: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autotp.topology.probe.probe", interrupted)
    code, _, err = autotp("probe")
    assert (code, err.strip()) == (130, "autotp: stopped.")


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("is_swallowed", [False, True])
def test_other_signals_end_with_their_own_code(
    number: int, expected: int, is_swallowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that a signal ended says so by its exit code, also where a server takes it for its usual end."""

    def signalled(sysroot: object) -> tuple[object, ...]:
        with suppress(*([KeyboardInterrupt] if is_swallowed else [])):
            receive(number)
        return ()

    monkeypatch.setattr("autotp.topology.health.health.health", signalled)
    code, _, err = autotp("health", "--json")
    assert (code, err.strip()) == (expected, "" if is_swallowed else "autotp: stopped.")


def test_the_module_is_the_command() -> None:
    """`python -m autotp` does what `autotp` does."""
    done = subprocess.run([sys.executable, "-m", "autotp", "bogus"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == autotp("bogus")
    assert (done.returncode, "bogus" in done.stderr) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["probe --json", "probe", "--help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_full_is_the_environments_failure(arguments: str, unbuffered: str) -> None:
    """What can't be written is one sentence and exit code 5, whoever writes it."""
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m autotp {arguments} > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    assert (done.returncode, done.stderr) == (5, "autotp: Can't write the output: No space left on device.\n")


def test_an_error_of_the_system_is_a_bug_while_the_output_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OSError that nobody expected isn't laid to the output."""

    def broken(sysroot: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("autotp.topology.probe.probe", broken)
    code, _, err = autotp("probe")
    assert (code, "bug in autotp" in err) == (70, True)


def test_characters_that_the_output_lacks_are_replaced() -> None:
    """A terminal without UTF-8 gets question marks, not a trace."""
    command = [sys.executable, "-m", "autotp", "probe"]
    done = subprocess.run(
        command, capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()
    assert b"fingerprint: " in done.stdout


def test_a_reader_that_leaves_is_no_bug() -> None:
    """`autotp space | head -1` ends without a trace."""
    program = f"{sys.executable} -m autotp space throughput --explain | head -1"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
