"""How often does `autotp demo` end in a WIN, and by which settings?

    python -m tests.evidence.count_demo_wins --runs 10 --where two_cores|one_core|quota [--out FILE]

`one_core` binds it to one CPU by a mask, `quota` gives it one CPU's time on all CPUs. Exit 0: at least nine in ten
runs won. Exit 1: fewer. Exit 2: that can't be tried here.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.evidence.outcomes import keep
from tests.support.cgroup import Group, available, cpu_quota

DEMO = (sys.executable, "-m", "autotp", "demo", "--json")
VERDICTS = (0, 3)  # exit codes
PLACES = ("two_cores", "one_core", "quota")
LEAST_SHARE = 0.9
QUOTA = 1.0


def run_demo(where: str, budget: str) -> dict[str, Any]:
    """Run the demo once in a new folder; return what its last line, the verdict, says."""
    argv: tuple[str, ...] = (*DEMO, "--budget", budget)
    if where == "one_core":
        argv = ("taskset", "-c", str(min(os.sched_getaffinity(0))), *argv)
    with tempfile.TemporaryDirectory() as folder, cpu_quota(QUOTA) if where == "quota" else nullcontext() as group:
        command = group.command(argv) if isinstance(group, Group) else argv
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in VERDICTS or not done.stdout:
        raise RuntimeError(f"autotp demo ended with {done.returncode}: {done.stderr}")
    profile = json.loads(done.stdout.splitlines()[-1])["profiles"][0]
    result = profile["result"]
    kept = ("verdict", "gain", "noise_floor", "reason")
    return {
        "config": profile["config"],
        "baseline": result["baseline"]["config"],
        **{key: result[key] for key in kept if key in result},
    }


def why_not(where: str) -> str | None:
    """Return why the demo can't be tried there on this machine; None if it can."""
    if where == "quota":
        return available()
    if where == "two_cores" and len(os.sched_getaffinity(0)) != 2:
        return f"this process may use {len(os.sched_getaffinity(0))} CPUs, not two: start it with taskset"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demos, write the JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Count how often the demo ends in a WIN.")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--where", choices=PLACES, default=PLACES[0])
    parser.add_argument("--budget", default="60s", help="of each run (60s)")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    if reason := why_not(chosen.where):
        print(reason, file=sys.stderr)
        return 2
    runs = []
    for number in range(chosen.runs):
        runs.append(run_demo(chosen.where, chosen.budget))
        print(f"run {number + 1}: {runs[-1]['verdict']}, {runs[-1]['gain']['median']:.3f}", file=sys.stderr)
    wins = sum(run["verdict"] == "win" for run in runs)
    about = {"where": chosen.where, "budget": chosen.budget, "python": platform.python_version()}
    versions = {name: version(name) for name in ("autotp", "openvino")}
    keep({**about, **versions, "wins": wins, "runs": len(runs), "each": runs}, chosen.out)
    return 0 if wins >= LEAST_SHARE * len(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
