"""Makes workers misbehave during a whole `autotp tune`, and checks that the study still reaches its verdict.

The space has one config for each fault in each phase of a worker (tests/support/faults.py) and a few that behave.
The real command line runs on a real model; only the workers' module is another. Afterwards the study must hold,
for each of those configs, a failed trial with the right status, phase, message and the tail of its log; the tuning
must have come to a verdict, shipped a config that behaves, and left no process behind, not even a zombie: this
script inherits whatever is orphaned (PR_SET_CHILD_SUBREAPER, prctl(2)).

    python -m tests.evidence.inject_faults [--budget 5m] [--out results/reference/faults.json]

Exit 0: all is right. Exit 1: something isn't, a config wasn't reached within the budget, or a fault was left out,
as where no control group can be made for the worker that allocates until it is killed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from itertools import product
from pathlib import Path
from time import monotonic
from typing import Any

import psutil

from autotp.measuring.failure import Phase
from tests.support.cgroup import memory_limit, memory_limit_available
from tests.support.faults import GROUP, GROUP_BYTES, Fault, requests_for
from tests.support.models import wide_model

ROOT = Path(__file__).parents[2]
PHASES = (Phase.START, Phase.COMPILE, Phase.WARM_UP, Phase.BLOCK)
BEHAVING = (2, 3, 4, 6, 8)
VERDICTS = {"win": 0, "tie": 0, "unknown": 3}  # with their exit codes
_PR_SET_CHILD_SUBREAPER = 36
_TUNE = (
    "from autotp.measuring.parent import pool; pool.ENTRY = 'tests.support.faults'; "
    "from autotp.cli import main; main()"
)


def run(budget: str) -> dict[str, Any]:
    """Tune once and judge what is in the study; everything that is written down."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    reason = memory_limit_available()
    faults = [fault for fault in Fault if fault is not Fault.ALLOCATE or reason is None]
    planned = {requests_for(fault, phase): (fault, phase) for fault, phase in product(faults, PHASES)}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = dict(os.environ)
        if reason is None:
            environment[GROUP] = str(stack.enter_context(memory_limit(GROUP_BYTES)).folder)
        began = monotonic()
        done = _tune(folder, [*BEHAVING, *planned], budget, environment)
        seconds = monotonic() - began
        left = [process.as_dict(["name", "status"]) for process in psutil.Process().children(recursive=True)]
        trials = _trials(folder / "out")
    verdict = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
    result = verdict.get("profiles", [{}])[0].get("result", {})
    return {
        "command": _command_line(done.args, folder),
        "space": {"nireq": [*BEHAVING, *planned]},
        "python": platform.python_version(),
        "autotp": version("autotp"),
        "openvino": version("openvino"),
        "seconds": round(seconds, 1),
        "exit_code": done.returncode,
        "stderr": done.stderr[-2000:],
        "verdict": result.get("verdict"),
        "shipped": verdict.get("profiles", [{}])[0].get("config"),
        "left_out": {} if reason is None else {Fault.ALLOCATE: reason},
        "processes_left": left,
        "behaving": {str(requests): trials.get(requests, {}).get("status") for requests in BEHAVING},
        "faults": [_judged(fault, phase, trials.get(number)) for number, (fault, phase) in planned.items()],
    }


def _tune(
    folder: Path, requests: Sequence[int], budget: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    space = folder / "faults.yaml"
    space.write_text(f"name: faults\nknobs:\n  nireq: [{', '.join(map(str, requests))}]\n")
    model = wide_model(folder)
    options = (
        "--objective",
        "throughput",
        "--space",
        str(space),
        "--budget",
        budget,
        "--out",
        str(folder / "out"),
    )
    command = (sys.executable, "-c", _TUNE, "tune", str(model), *options, "--json")
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


def _command_line(arguments: Sequence[str], folder: Path) -> str:
    return shlex.join(["python", *arguments[1:]]).replace(f"{folder}{os.sep}", "")


def _trials(out: Path) -> dict[int, dict[str, Any]]:
    """What the study keeps of each config of the search, by its requests in flight; not of its play-off."""
    import optuna

    (name,) = optuna.get_all_study_names(storage := f"sqlite:///{out / 'study.db'}")
    found: dict[int, dict[str, Any]] = {}
    for trial in optuna.load_study(study_name=name, storage=storage).trials:
        kept = trial.user_attrs
        if kept.get("role") == "search":
            found.setdefault(kept["config"]["nireq"], {"state": trial.state.name, **kept})
    return found


def _judged(fault: Fault, phase: Phase, trial: Mapping[str, Any] | None) -> dict[str, Any]:
    status, message = fault.expected
    if trial is None:
        return {"fault": fault, "phase": phase, "right": False, "found": None}
    right = (
        trial["state"] == "FAIL"
        and (trial.get("status"), trial.get("phase")) == (status, phase)
        and message in trial.get("message", "")
        and fault.last_words in trial.get("log_tail", "")
    )
    found = {key: trial.get(key) for key in ("state", "status", "phase", "message")}
    return {"fault": fault, "phase": phase, "right": right, "found": found, "log_tail": _last(trial)}


def _last(trial: Mapping[str, Any]) -> str:
    return str(trial.get("log_tail", ""))[-200:]


def all_right(outcome: Mapping[str, Any]) -> bool:
    """Whether every fault was tried and reported rightly, the study came to its end, and nothing is left."""
    shipped = (outcome["shipped"] or {}).get("nireq")
    return (
        outcome["verdict"] in VERDICTS
        and outcome["exit_code"] == VERDICTS[outcome["verdict"]]
        and (shipped is None or shipped in BEHAVING)
        and not outcome["left_out"]
        and not outcome["processes_left"]
        and all(status == "OK" for status in outcome["behaving"].values())
        and all(fault["right"] for fault in outcome["faults"])
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the JSON, print the summary."""
    parser = argparse.ArgumentParser(description="Let workers misbehave during a whole tuning.")
    parser.add_argument("--budget", default="5m", help="of the tuning (5m)")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "reference" / "faults.json")
    chosen = parser.parse_args(arguments)
    outcome = run(chosen.budget)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(outcome, indent=1) + "\n")
    for fault in outcome["faults"]:
        if not fault["right"]:
            print(f"WRONG: {fault['fault']} in {fault['phase']}: {fault['found']}")
    right = sum(fault["right"] for fault in outcome["faults"])
    print(f"{right} of {len(outcome['faults'])} faults reported rightly in {outcome['seconds']:.0f} s")
    print(f"verdict {outcome['verdict']}, exit code {outcome['exit_code']}, left: {outcome['processes_left']}")
    return 0 if all_right(outcome) else 1


if __name__ == "__main__":
    sys.exit(main())
