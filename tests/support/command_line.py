"""The command line, run in this process."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import cast
from unittest.mock import patch

from autotp.cli import main

Answer = tuple[int, str, str]


def autotp(*arguments: str) -> Answer:
    """Run `autotp` with `arguments` in this process; return exit code, stdout, stderr."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    argv = patch.object(sys, "argv", ["autotp", *arguments])
    with redirect_stdout(out), redirect_stderr(err), argv:
        code = _exit_code()
    stdout, stderr = (stream.buffer.getvalue().decode() for stream in (out, err))
    return code, stdout, stderr


def beside_the_budget(err: str) -> str:
    """What is on stderr beside the line that names the shortest budget, which a slow machine brings."""
    return "".join(line for line in err.splitlines(keepends=True) if "--budget" not in line)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return cast(int, ended.code)
    raise RuntimeError("The command line returned without an exit code.")
