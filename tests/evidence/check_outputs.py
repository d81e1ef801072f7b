"""Wrong outputs are caught: short tunings of models on which precision matters, and what their studies show.

1. A model that amplifies rounding (tests.support.models.chaotic_model), held to an absolute tolerance, with lossy
   precision allowed: every lossy arm must be WRONG_OUTPUT, and none may ship as a win. The tolerance is absolute
   because the hints themselves are off by half of what they can be, and nothing is 1.5 times worse than that.
2. The text recogniser of PP-OCRv4, whose hints themselves run in bf16 where the CPU has it: the study must not
   stop, arms no worse than the hints must get through, and every arm that got through must keep the rule of DESIGN
   7.7, which is computed here again from the study alone. None of OpenVINO's arms is worse than its hints, so
   those with one number of requests in flight are made worse (tests.support.lossy): these must be rejected, and no
   others.

    python -m tests.evidence.check_outputs              # two minutes; writes results/reference/outputs.json
    python -m tests.evidence.check_outputs --budget 20  # seconds for each tuning

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

import openvino
import optuna
from optuna.trial import FrozenTrial

from autotp.deploy.tuned import read_tuned
from tests.support.lossy import LOSSY_REQUESTS
from tests.support.models import chaotic_model
from tests.support.real_models import RealModel, real_model

ROOT = Path(__file__).parents[2]
OUT = Path("results/reference/outputs.json")
CHAOS_TOLERANCE = 0.01
WHY_ABSOLUTE = "the hints' own outputs are off by so much that nothing could be 1.5 times worse"
FLOAT_TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}
HINT_FACTOR = 1.5
LEAST_HINT_ERROR = 0.01  # of the recogniser in bf16
SPACE = f"""name: outputs
knobs:
  nireq: [3, {LOSSY_REQUESTS}]
  inference_precision_hint: [bf16, f32]
"""
_TUNE = (
    "from autotp.measuring.parent import pool; pool.ENTRY = 'tests.support.lossy'; "
    "from autotp.cli import main; main()"
)


def tune(model: Path, folder: Path, budget_s: float, *options: str) -> dict[str, Any]:
    """Run a real tuning and return its exit code, verdict, what ships, and every trial's outputs."""
    argv = [sys.executable, "-c", _TUNE, "tune", str(model.resolve()), "--out", str(folder), "--study", "s"]
    command = [*argv, "--budget", f"{budget_s:g}s", "--allow-precision", "bf16,f16", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
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


def tune_recogniser(model: RealModel, folder: Path, budget_s: float) -> dict[str, Any]:
    """Run a real tuning of the recogniser over a space in which some arms are made worse."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as space:
        space.write(SPACE)
        space.flush()
        return tune(model.path, folder, budget_s, "--shape", model.shape_flag, "--space", space.name)


def cpu_has_bf16() -> bool:
    """Whether OpenVINO's hints choose bf16 on this CPU."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


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


def hints_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The hints that were run."""
    return [arm for arm in found["arms"] if arm["role"] == "baseline" and arm["error"]]


def searched(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The arms of the search."""
    return [arm for arm in found["arms"] if arm["role"] == "search"]


def passed(arms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The arms that the gate let through, also those that were raced no further as the time ran out."""
    return [arm for arm in arms if arm["error"] is not None and arm["status"] != "WRONG_OUTPUT"]


def worst_errors(arms: list[dict[str, Any]]) -> dict[str, float]:
    """The largest relative error of any of `arms`, by output."""
    found: dict[str, float] = {}
    for arm in arms:
        found |= {name: max(off, found.get(name, 0.0)) for name, off in arm["error"]["relative_errors"].items()}
    return found


def keeps(arm: dict[str, Any], accepted: dict[str, float]) -> bool:
    """Whether each output of `arm` is as good as DESIGN 7.7 wants it."""
    tolerance = FLOAT_TOLERANCES.get(arm["precision"], FLOAT_TOLERANCES["f32"])
    errors = arm["error"]["relative_errors"]
    within = (off <= max(tolerance, HINT_FACTOR * accepted[name]) for name, off in errors.items())
    return bool(arm["error"]["finite"]) and all(within)


def check_chaos(found: dict[str, Any]) -> dict[str, bool]:
    """What must hold of the model that amplifies rounding."""
    through = passed(searched(found))
    return {
        "an arm was rejected for its outputs": any(arm["status"] == "WRONG_OUTPUT" for arm in searched(found)),
        "an exact arm got through": bool(through),
        "no lossy arm got through": all(arm["error"]["max_abs_error"] <= CHAOS_TOLERANCE for arm in through),
        "no lossy arm wins": found["verdict"] != "win" or found["precision"] == "f32",
    }


def check_recogniser(found: dict[str, Any]) -> dict[str, bool]:
    """What must hold of the recogniser, by DESIGN 7.7 computed anew."""
    hints, through = hints_of(found), passed(searched(found))
    accepted = worst_errors(hints)
    in_bf16 = any(arm["precision"] == "bf16" for arm in hints) and max(accepted.values()) > LEAST_HINT_ERROR
    rejected = [arm for arm in searched(found) if arm["status"] == "WRONG_OUTPUT"]
    return {
        "the study came to its end": found["exit_code"] in (0, 3) and bool(searched(found)),
        "where the CPU has bf16, a hint ran in it and is off": in_bf16 or not cpu_has_bf16(),
        "arms got through": bool(through),
        "no arm beyond 1.5 times the hints' error got through": all(keeps(arm, accepted) for arm in through),
        "an arm that was made worse was rejected": bool(rejected),
        "no other arm was rejected": all(arm["config"].get("nireq") == LOSSY_REQUESTS for arm in rejected),
    }


def run(budget_s: float) -> dict[str, Any]:
    """Run both tunings and return all that is written down."""
    recogniser = real_model("rec")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        chaos = tune(chaotic_model(models), models / "chaos", budget_s, "--tolerance", f"{CHAOS_TOLERANCE:g}")
        ocr = tune_recogniser(recogniser, models / "ocr", budget_s)
    checks = {"chaotic model": check_chaos(chaos), "recogniser": check_recogniser(ocr)}
    return {
        "command": f"python -m tests.evidence.check_outputs --budget {budget_s:g}",
        "holds": all(held for of_model in checks.values() for held in of_model.values()),
        "checks": checks,
        "cpu_has_bf16": cpu_has_bf16(),
        "hint_errors": {"chaotic model": worst_errors(hints_of(chaos)), "recogniser": worst_errors(hints_of(ocr))},
        "why_the_chaotic_model_has_an_absolute_tolerance": WHY_ABSOLUTE,
        "chaotic": chaos,
        "recogniser": ocr,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run both tunings, write what they show, and return 0 if all holds."""
    parser = argparse.ArgumentParser(description="Check that wrong outputs are caught, in real tunings.")
    parser.add_argument("--budget", type=float, default=45.0, metavar="S", help="of each tuning, default 45")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args(arguments)
    outcome = run(chosen.budget)
    chosen.out.write_text(json.dumps(outcome, indent=2) + "\n")
    for name, of_model in outcome["checks"].items():
        for what, held in of_model.items():
            print(f"{'holds' if held else 'FAILS'}  {name}: {what}")
    return 0 if outcome["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
