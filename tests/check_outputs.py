"""Wrong outputs are caught: short tunings of models on which precision matters, and what their studies show.

1. A model that amplifies rounding (tests.models.chaotic_model), held to an absolute tolerance, with lossy
   precision allowed: every lossy arm must be WRONG_OUTPUT, and none may ship as a win.
2. The text recogniser of PP-OCRv4, whose hints themselves run in bf16 where the CPU has it: the study must not
   stop, arms no worse than the hints must get through, and every arm that got through must keep the rule of DESIGN
   7.7, which is computed here again from the study alone.

    python -m tests.check_outputs                # about two minutes; writes results/reference/outputs.json
    python -m tests.check_outputs --budget 20    # seconds for each tuning

Exit code 0 only if all of it holds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from autotp.deploy import read_tuned
from tests.models import chaotic_model
from tests.real_models import real_model

OUT = Path("results/reference/outputs.json")
CHAOS_TOLERANCE = 0.01
FLOAT_TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}
HINT_FACTOR = 1.5


def tune(model: Path, folder: Path, budget_s: float, *options: str) -> dict[str, Any]:
    """Run a real tuning and return its exit code, verdict, what ships, and every trial's outputs."""
    argv = [sys.executable, "-m", "autotp", "tune", str(model), "--out", str(folder), "--study", "s"]
    command = [*argv, "--budget", f"{budget_s:g}s", "--allow-precision", "bf16,f16", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    profile = read_tuned(folder / "tuned.yaml").profiles[0]
    trials = optuna.load_study(study_name="s", storage=f"sqlite:///{folder / 'study.db'}").trials
    return {
        "exit_code": done.returncode,
        "verdict": profile.result.verdict,
        "config": profile.config,
        "precision": profile.effective.precision if profile.effective else None,
        "arms": [arm(trial) for trial in trials if trial.user_attrs.get("role") in ("baseline", "search")],
    }


def arm(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial says of its outputs."""
    kept = trial.user_attrs
    return {
        "role": kept["role"],
        "config": kept["config"],
        "status": kept.get("status"),
        "reason": kept.get("message"),
        "precision": (kept.get("effective") or {}).get("precision"),
        "error": kept.get("output_error"),
    }


def passed(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms that the gate let through, also those that were raced no further as the time ran out."""
    return [arm for arm in arms if arm["error"] is not None and arm["status"] != "WRONG_OUTPUT"]


def check_chaos(found: dict[str, Any]) -> dict[str, bool]:
    """What must hold of the model that amplifies rounding."""
    searched = [arm for arm in found["arms"] if arm["role"] == "search"]
    through = passed(searched)
    return {
        "an arm was rejected for its outputs": any(arm["status"] == "WRONG_OUTPUT" for arm in searched),
        "an exact arm got through": bool(through),
        "no lossy arm got through": all(arm["error"]["max_abs_error"] <= CHAOS_TOLERANCE for arm in through),
        "no lossy arm wins": found["verdict"] != "win" or found["precision"] == "f32",
    }


def largest(error: dict[str, Any]) -> float:
    """The largest relative error of an output; the models here have but one."""
    return float(max(error["relative_errors"].values()))


def check_recogniser(found: dict[str, Any]) -> dict[str, bool]:
    """What must hold of the recogniser, by DESIGN 7.7 computed anew."""
    hints = [largest(arm["error"]) for arm in found["arms"] if arm["role"] == "baseline" and arm["error"]]
    searched = [arm for arm in found["arms"] if arm["role"] == "search"]
    through = passed(searched)
    found["hint_error"] = max(hints)

    def keeps(arm: dict[str, Any]) -> bool:
        bound = max(FLOAT_TOLERANCES.get(arm["precision"], 1e-4), HINT_FACTOR * max(hints))
        return bool(arm["error"]["finite"] and largest(arm["error"]) <= bound)

    return {
        "the study came to its end": found["exit_code"] in (0, 3) and bool(searched),
        "arms got through": bool(through),
        "no arm beyond 1.5 times the hints' error got through": all(keeps(arm) for arm in through),
        "none was rejected that is no worse than the hints": all(
            arm["error"] is None or largest(arm["error"]) > max(hints)
            for arm in searched
            if arm["status"] == "WRONG_OUTPUT"
        ),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run both tunings, write what they show, and return 0 if all holds."""
    parser = argparse.ArgumentParser(description="Check that wrong outputs are caught, in real tunings.")
    parser.add_argument("--budget", type=float, default=45.0, metavar="S", help="of each tuning, default 45")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args(arguments)
    recogniser = real_model("rec")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        chaos = tune(chaotic_model(models), models / "chaos", chosen.budget, "--tolerance", f"{CHAOS_TOLERANCE:g}")
        ocr = tune(recogniser.path, models / "ocr", chosen.budget, "--shape", recogniser.shape_flag)
    checks = {"chaotic model": check_chaos(chaos), "recogniser": check_recogniser(ocr)}
    holds = all(held for of_model in checks.values() for held in of_model.values())
    command = f"python -m tests.check_outputs --budget {chosen.budget:g}"
    outcome = {"command": command, "holds": holds, "checks": checks, "chaotic": chaos, "recogniser": ocr}
    chosen.out.write_text(json.dumps(outcome, indent=2) + "\n")
    for name, of_model in checks.items():
        for what, held in of_model.items():
            print(f"{'holds' if held else 'FAILS'}  {name}: {what}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
