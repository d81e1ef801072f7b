"""A case: what was once seen, what is right, the test that holds it, and how to replay it as a user would."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

SCRIPTS = Path(sysconfig.get_path("scripts"))


class NotAsExpected(Exception):
    """A replay didn't end as it should; the text says what was seen instead."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has ended."""

    command: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    def ended_with(self, *codes: int) -> "Done":
        """Return this command if it ended with one of `codes` and printed no traceback.

        Raises:
            NotAsExpected: it didn't.
        """
        if self.code not in codes or "Traceback" in self.stderr:
            raise NotAsExpected(f"{self.command}: exit code {self.code}: {self.stderr.strip()[-500:]}")
        return self

    def says(self, *words: str) -> "Done":
        """Return this command if its output holds each of `words`.

        Raises:
            NotAsExpected: it doesn't.
        """
        said = self.stdout + self.stderr
        if missing := [word for word in words if word not in said]:
            raise NotAsExpected(f"{self.command}: doesn't say {missing}: {said.strip()[-500:]}")
        return self


def last_json(done: Done) -> Any:
    """Return the last line that a command printed, read as JSON.

    Raises:
        NotAsExpected: it isn't JSON.
    """
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise NotAsExpected(f"{done.command}: printed no JSON: {done.stdout.strip()[-200:]}") from error


class Desk:
    """A fresh folder with a command line.

    Attributes:
        folder: where commands run; empty at first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def autotp(self, *arguments: str | bytes | Path, env: Mapping[str, str] | None = None) -> Done:
        """Run `autotp` with `arguments` in the folder and wait for its end."""
        return self.run([str(SCRIPTS / "autotp"), *arguments], env)

    def python(self, code: str, *arguments: str | Path) -> Done:
        """Run Python `code` in the folder and wait for its end."""
        return self.run([sys.executable, "-c", code, *arguments])

    def run(self, command: Sequence[str | bytes | Path], env: Mapping[str, str] | None = None) -> Done:
        """Run any `command` in the folder and wait for its end."""
        began = monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
        )
        shown = " ".join(
            Path(os.fsdecode(part)).name if index == 0 else os.fsdecode(part) for index, part in enumerate(command)
        )
        return Done(
            command=shown.replace(f"{self.folder}{os.sep}", ""),
            code=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
            seconds=monotonic() - began,
        )


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case.

    Attributes:
        number: its number, such as `7`, with a letter where a case has several parts.
        title: what it is about, in a few words.
        before: what was seen once.
        test: the test that holds the right behaviour, as pytest names it (`tests/room/test_module.py::test_name`).
        replay: replays it on a fresh desk; returns in a sentence what was seen, with figures.
            It raises `NotAsExpected` if that isn't right.
        minutes: about how long the replay takes.
    """

    number: str
    title: str
    before: str
    test: str
    replay: Callable[[Desk], str]
    minutes: float = 0.1
