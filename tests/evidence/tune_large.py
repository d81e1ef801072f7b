"""A language model that starts slowly: does the budget that autotp names hold a verdict?

    python -m tests.evidence.tune_large [--out FILE]

The model has 1.5 billion random four-bit weights (`tests/support/random_gguf.py`), so its answers mean nothing,
but it takes as long as a trained one. It is tuned for a minute, which is too short; what standard error says of
`--budget` is the budget of the second tuning. Exit 0: that line comes within the minute, and the second tuning
ends in a WIN or TIE within its budget. Exit 1: it doesn't.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

from tests.evidence.outcomes import keep
from tests.support.real_models import large_language_model

FIRST_BUDGET = "60s"
NAMED = re.compile(r"--budget (\d+)([sm])$", re.MULTILINE)
LATE = 1.2  # times a budget


def tune(model: Path, budget: str, out: Path) -> dict[str, Any]:
    """Return what a tuning with that budget says, when it says something of the budget, and how long it takes."""
    began = monotonic()
    asked = ("--objective", "second_token_latency", "--budget", budget, "--out", str(out), "--json")
    command = [sys.executable, "-m", "autotp", "tune", str(model), *asked]
    named, after_s = None, None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "short_budget":
                after_s = monotonic() - began
        said = process.stderr.read()
    if match := NAMED.search(said):
        named = "".join(match.groups())
    return {
        "budget": budget,
        "exit_code": process.returncode,
        "named": named,
        "named_after_s": after_s,
        "seconds": round(monotonic() - began, 1),
        "verdict": event["profiles"][0]["result"] if event["event"] == "verdict" else None,
    }


def seconds_of(budget: str) -> float:
    """Return a budget in seconds."""
    return float(budget[:-1]) * (60.0 if budget.endswith("m") else 1.0)


def main(arguments: list[str] | None = None) -> int:
    """Tune twice, write the JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Tune a large language model with the budget that autotp names.")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    model = large_language_model()
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        first = tune(model, FIRST_BUDGET, Path(folder) / "first")
        second = tune(model, first["named"], Path(folder) / "second") if first["named"] else None
    keep({"weights": "1.5 billion, random, four bits", "first": first, "second": second}, chosen.out)
    if second is None or first["named_after_s"] is None or first["named_after_s"] > seconds_of(FIRST_BUDGET):
        return 1
    in_time = second["seconds"] <= LATE * seconds_of(second["budget"])
    return 0 if in_time and second["exit_code"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
