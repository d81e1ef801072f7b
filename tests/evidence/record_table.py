"""A recorded table of a real model: `autotp tune --exhaustive`, written in Kernel Tuner's open formats.

    python -m tests.evidence.record_table rec --out results/reference/tables/rec.json [--budget 12m]

Beside the outcome at `--out`, which sums the table up, it writes the results in T4 (`rec.t4.json`) and the space
in T1 (`rec.t1.json`); `replays/recorded.py` says what they hold. Exit 0: the table has at least 40 configs that
differ in more than `nireq`, each measured in at least four processes. Exit 1: it hasn't.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from autotp.findings.metric import Metric
from tests.evidence.outcomes import keep
from tests.evidence.replays.costs import exhaustive_cost_s
from tests.evidence.replays.recorded import RecordedTable, as_t1, as_t4, differing, from_study
from tests.support.real_models import ENCODER, LANGUAGE_MODEL, NAMES, encoder, language_model, real_model

SPACES = Path(__file__).parent / "tables"
LEAST_CONFIGS = 40
LEAST_PROCESSES = 4
NEAR = 0.01


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is tuned for its table."""

    objective: str = "throughput"
    space: str = "closed_loop"
    shapes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ("--allow-precision", "f16")
    budget: str = "11m"


RECORDINGS = {
    **dict.fromkeys(NAMES, Recording()),
    "rec": Recording(budget="40m"),
    ENCODER: Recording(
        shapes=("input_ids=[1,128]", "attention_mask=[1,128]"), space="encoder", flags=(), budget="20m"
    ),
    LANGUAGE_MODEL: Recording(objective="second_token_latency", space="language_model", flags=(), budget="40m"),
}


def model_of(name: str) -> tuple[Path, list[str]]:
    """Return the model called `name`, and the flags that fix its shapes."""
    how = RECORDINGS[name]
    if name == LANGUAGE_MODEL:
        path, shapes = language_model(), how.shapes
    elif name == ENCODER:
        path, shapes = encoder(), how.shapes
    else:
        model = real_model(name)
        path, shapes = model.path, (model.shape_flag,)
    return path, [word for shape in shapes for word in ("--shape", shape)]


def tune(name: str, budget: str, out: Path, *flags: str) -> Path:
    """Tune the model called `name` in the space of its table, in folder `out`; return the model.

    Raises:
        SystemExit: the tuning ended without a verdict that says what it measured.
    """
    how, (path, fixed) = RECORDINGS[name], model_of(name)
    asked = (
        "--objective",
        how.objective,
        "--space",
        SPACES / f"{how.space}.yaml",
        "--budget",
        budget,
        "--out",
        out,
    )
    command = ("-m", "autotp", "tune", path, *fixed, *how.flags, *asked, *flags)
    done = subprocess.run([sys.executable, *map(str, command)])
    if done.returncode not in (0, 3):
        raise SystemExit(done.returncode)
    return path


def summary(table: RecordedTable, metric: Metric) -> dict[str, Any]:
    """Return what a table holds."""
    best = table.measured[table.best]
    processes = [len(row.processes) for row in table.measured]
    return {
        "model": table.model,
        "objective": str(metric),
        "baseline": table.hints[0].settings,
        "configs": len(table.measured),
        "failed": len(table.rows) - len(table.measured),
        "configs_beside_nireq": differing(table, "nireq"),
        "processes": [min(processes), max(processes)],
        "blocks": sum(len(process.values) for row in table.measured for process in row.processes),
        "best": best.settings,
        "gain_of_the_best": round(float(np.exp(table.scores[table.best])), 4),
        "share_within_1_percent": round(table.share_near_the_best(NEAR), 4),
        "noise": round(table.noise(), 5),
        "exhaustive_cost_s": round(exhaustive_cost_s(table), 1),
        "inference_s": 1.0 / _median(table) if metric.maximize else _median(table),
    }


def _median(table: RecordedTable) -> float:
    """Return the baseline's objective."""
    return float(np.median([v for row in table.measured for one in row.processes for v in one.baseline]))


def main(arguments: list[str] | None = None) -> int:
    """Record one table."""
    parser = argparse.ArgumentParser(description="Record a table of a real model.")
    parser.add_argument("model", choices=RECORDINGS)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--budget", help="of the tuning; each model has one of its own")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        budget = chosen.budget or RECORDINGS[chosen.model].budget
        model = tune(chosen.model, budget, Path(folder) / "study", "--exhaustive")
        table = from_study(Path(folder) / "study" / "study.db", model.name)
    for kind, document in (("t4", as_t4(table)), ("t1", as_t1(table))):
        chosen.out.with_suffix(f".{kind}.json").write_text(json.dumps(document) + "\n")
    found = summary(table, table.metric)
    keep(found, chosen.out)
    enough = found["configs_beside_nireq"] >= LEAST_CONFIGS and found["processes"][0] >= LEAST_PROCESSES
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
