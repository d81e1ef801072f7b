"""`autotp compare`, run as a person runs it, for scripts that judge what a tuning shipped."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def compare(a: str, b: str, flags: Sequence[str], budget: str) -> dict[str, Any]:
    """Return how many times better `a` is than `b`, with the interval of fresh processes.

    Raises:
        RuntimeError: nothing was measured.
    """
    command = [sys.executable, "-m", "autotp", "compare", a, b, *flags, "--budget", budget, "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"autotp compare {a} {b} failed: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: found[name] for name in ("verdict", "ratio", "low", "high")}


def spelled(settings: dict[str, Any]) -> str:
    """Return settings as the command line takes them; OpenVINO's own choice of everything is its hint."""
    if list(settings) == ["performance_hint"]:
        return f"hint:{str(settings['performance_hint']).upper()}"
    return ",".join(f"{name}={value}" for name, value in settings.items())
