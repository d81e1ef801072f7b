"""Measures what autotp adds to importing, to `--help`, and to loading a model.

    python tests/evidence/measure_startup.py --out results/reference/startup.json

Whole processes are timed in alternation with a bare interpreter; `autotp.load` is timed in alternation with
plain read, reshape and compile in one process.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import openvino as ov

import autotp
from autotp.deploy.tuned import read_tuned

RUNS = 21
COMMANDS = {
    "import": [sys.executable, "-c", "import autotp"],
    "help": [sys.executable, "-m", "autotp", "--help"],
}
BARE = [sys.executable, "-c", "pass"]
LIMITS_S = {"import": 0.030, "help": 0.150, "load": 0.010}


def seconds(action: Callable[[], object]) -> float:
    """Time one call of `action`."""
    started = perf_counter()
    action()
    return perf_counter() - started


def run(command: Sequence[str]) -> None:
    """Run a process to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def process_overhead(command: Sequence[str]) -> float:
    """Return the median of how many seconds more `command` takes than a bare interpreter."""
    pairs = [(seconds(lambda: run(command)), seconds(lambda: run(BARE))) for _ in range(RUNS)]
    return statistics.median(ours - bare for ours, bare in pairs)


def load_overhead(tuned: Path) -> float:
    """Return the median of how many seconds more `autotp.load` takes than the same with plain OpenVINO."""
    content = read_tuned(tuned)
    model_path = (tuned.parent / content.model.path).resolve()
    properties = content.profiles[0].properties

    def plain() -> None:
        core = ov.Core()
        model = core.read_model(model_path)
        model.reshape({name: list(shape) for name, shape in content.model.shapes.items()})
        core.compile_model(model, "CPU", properties)

    def load() -> None:
        loaded = autotp.load(tuned)
        assert loaded.decision.applied, loaded.decision.reason

    plain()
    load()
    return statistics.median(seconds(load) - seconds(plain) for _ in range(RUNS))


def main() -> int:
    """Measure, write the figures, and say whether each is within its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuned", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    figures = {name: process_overhead(command) for name, command in COMMANDS.items()}
    figures["load"] = load_overhead(arguments.tuned)
    report = {
        name: {"overhead_s": round(value, 5), "limit_s": LIMITS_S[name], "within": value <= LIMITS_S[name]}
        for name, value in figures.items()
    }
    text = json.dumps({"runs": RUNS, **report}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    return 0 if all(value <= LIMITS_S[name] for name, value in figures.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
