"""Runs the default tests with the lowest versions of everything that pyproject.toml allows.

uv makes a second environment (`--resolution lowest-direct`: the lowest version of each package that this project
names, the usual ones of what those need), and the tests run in it as they do in the usual one. `.ci/run` has the
newest versions.

    python -m tests.evidence.lowest_versions [--out FILE] [-- PYTEST ARGUMENTS]

Prints the versions and pytest's closing line; the exit code is pytest's, or 2 where no environment can be made.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[2]
EXTRA = "dev"
VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def lowest_python(project: dict[str, Any]) -> str:
    """Return the lowest Python that the project allows, such as 3.11."""
    return str(project["requires-python"]).removeprefix(">=")


def direct_dependencies(project: dict[str, Any]) -> list[str]:
    """Return the names of the packages that the project and its tests name."""
    named = [*project["dependencies"], *project["optional-dependencies"][EXTRA]]
    return [re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0] for requirement in named]


def make_environment(uv: str, folder: Path, python: str) -> Path:
    """Make an environment of the lowest versions in `folder` and return its interpreter.

    Raises:
        CalledProcessError: uv can't; it has said why.
    """
    interpreter = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--seed", "--python", python, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(interpreter), "--resolution", "lowest-direct"]
    subprocess.run([*install, "--editable", f"{ROOT}[{EXTRA}]"], check=True)
    return interpreter


def run_tests(interpreter: Path, arguments: Sequence[str]) -> tuple[int, str, float]:
    """Run pytest, show what it says, and return its exit code, closing line and seconds."""
    started, closing = perf_counter(), ""
    command = [str(interpreter), "-m", "pytest", "-q", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            closing = line.strip() or closing
    return process.returncode, closing, perf_counter() - started


def main() -> int:
    """Make the environment, run the tests in it, print the versions and the closing line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    parser.add_argument("arguments", nargs="*", metavar="PYTEST ARGUMENT")
    given = parser.parse_args()
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.is_file() else None)
    if uv is None:
        print("uv isn't installed: pip install uv", file=sys.stderr)
        return 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            interpreter = make_environment(uv, Path(folder), lowest_python(project))
        except subprocess.CalledProcessError:
            return 2
        asked = [str(interpreter), "-c", VERSIONS, *direct_dependencies(project)]
        versions = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
        print(", ".join(f"{name} {number}" for name, number in versions.items()), flush=True)
        code, closing, seconds = run_tests(interpreter, given.arguments)
    outcome = {"versions": versions, "closing_line": closing, "seconds": round(seconds), "exit_code": code}
    if given.out is not None:
        given.out.write_text(json.dumps(outcome, indent=2) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
