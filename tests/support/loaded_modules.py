"""What a program loads in an interpreter of its own."""

import json
import subprocess
import sys

_COMMAND = """
import sys
sys.argv = ["autotp", *{arguments!r}]
from autotp.cli import main
try:
    main()
except SystemExit as end:
    if end.code:
        raise
"""


def modules_of(program: str) -> set[str]:
    """The modules that are loaded when `program` is done; CalledProcessError if it fails."""
    code = f"{program}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


def modules_of_command(*arguments: str) -> set[str]:
    """The modules that are loaded when `autotp` with these arguments is done; CalledProcessError if it fails."""
    return modules_of(_COMMAND.format(arguments=arguments))
