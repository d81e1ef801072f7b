"""Measures how long commands that only read files take, in units of importing NumPy.

    python -m tests.evidence.measure_commands [--runs 15] [--out FILE]

Each program runs in a fresh interpreter, all of them in random order, again and again, so that whatever slows the
machine slows all alike. A unit is what `import numpy` takes longer than an interpreter that does nothing: machines
differ in speed by more than commands should in cost. Bytecode is cached, as installers leave it: in a folder of
its own, by a first turn that isn't timed. Exit 0: each takes at most three units longer than a bare interpreter.
Exit 1: one takes longer.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from autotp.measuring.lock import machine_lock
from tests.evidence.outcomes import keep

ROOT = Path(__file__).parents[2]
TUNED = Path("results") / "reference" / "rec" / "tuned.yaml"
LIMIT_UNITS = 3.0
BARE, UNIT = "python -c pass", "import numpy"
PROGRAMS = {
    BARE: ("-c", "pass"),
    UNIT: ("-c", "import numpy"),
    "import autotp": ("-c", "import autotp"),
    "autotp --help": ("-m", "autotp", "--help"),
    "autotp probe": ("-m", "autotp", "probe"),
    "autotp space default": ("-m", "autotp", "space", "default"),
    "autotp health": ("-m", "autotp", "health"),
    "autotp show": ("-m", "autotp", "show", str(TUNED)),
}


def run_seconds(program: str, bytecode: str) -> float:
    """Run `program` to its end and return how long that took; CalledProcessError if it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    began = perf_counter()
    subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        cwd=ROOT,
        env=environment | {"PYTHONPYCACHEPREFIX": bytecode},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return perf_counter() - began


def measure(runs: int, seed: int = 0) -> dict[str, list[float]]:
    """Return the seconds of each program in so many turns of all."""
    random, order = Random(seed), list(PROGRAMS)
    took_s: dict[str, list[float]] = {program: [] for program in PROGRAMS}
    with tempfile.TemporaryDirectory() as bytecode:
        for program in order:
            run_seconds(program, bytecode)
        for _ in range(runs):
            random.shuffle(order)
            for program in order:
                took_s[program].append(run_seconds(program, bytecode))
    return took_s


def judge(took_s: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the median of each program, in seconds and in units over a bare interpreter."""
    medians_s = {program: statistics.median(seconds) for program, seconds in took_s.items()}
    unit_s = medians_s[UNIT] - medians_s[BARE]
    commands = {
        program: {"median_s": round(median_s, 4), "units": round((median_s - medians_s[BARE]) / unit_s, 2)}
        for program, median_s in medians_s.items()
        if program not in (BARE, UNIT)
    }
    return {
        "bare_s": round(medians_s[BARE], 4),
        "unit_s": round(unit_s, 4),
        "limit_units": LIMIT_UNITS,
        "commands": commands,
        "holds": all(command["units"] <= LIMIT_UNITS for command in commands.values()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, keep and judge."""
    parser = argparse.ArgumentParser(description="Time the commands that only look at files.")
    parser.add_argument("--runs", type=int, default=15, help="of each program (15)")
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    chosen = parser.parse_args(arguments)
    lock = machine_lock(
        "tests.evidence.measure_commands", False, lambda holder: print("waiting for", holder, file=sys.stderr)
    )
    with lock:
        outcome = {"runs": chosen.runs, **judge(measure(chosen.runs))}
    keep(outcome, chosen.out)
    return 0 if outcome["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
