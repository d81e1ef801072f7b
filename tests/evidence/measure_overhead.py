"""Of the wall time of a tuning with the default budget, how much is spent in compile, warm-up and measured blocks?

    python -m tests.evidence.measure_overhead [--budget SECONDS] [--out FILE]

The study keeps how long the tuner waited for its workers in each phase; the wall time is that of the whole call.
Exit 0: the three make up at least 85 % of it. Exit 1: they don't.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from autotp.measuring.failure import Phase
from autotp.tuning.api import tune
from tests.support.real_models import real_model

TARGET = 0.85
MEASURING = (Phase.COMPILE, Phase.INFERENCE, Phase.WARM_UP, Phase.BLOCK)


def run(budget_s: float) -> dict[str, Any]:
    """Tune the OCR recogniser and return where the time went."""
    model = real_model("rec")
    with tempfile.TemporaryDirectory() as folder:
        began = monotonic()
        study = tune(
            model.path, shapes={model.input_name: model.shape}, budget_s=budget_s, out=Path(folder) / "out"
        )
        duration_s = monotonic() - began
        spent_s = study.user_attrs["spent_s"]
        trials = len(study.trials)
    return {
        "budget_s": budget_s,
        "duration_s": round(duration_s, 2),
        "trials": trials,
        "spent_s": {phase: round(seconds, 2) for phase, seconds in spent_s.items()},
        "share": round(sum(spent_s[phase] for phase in MEASURING) / duration_s, 4),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Tune, write the JSON, print it."""
    parser = argparse.ArgumentParser(description="Measure where the time of a tuning goes.")
    parser.add_argument("--budget", type=float, default=300.0, metavar="SECONDS")
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    chosen = parser.parse_args(arguments)
    outcome = run(chosen.budget)
    if chosen.out:
        chosen.out.write_text(json.dumps(outcome, indent=1) + "\n")
    print(json.dumps(outcome))
    return int(outcome["share"] < TARGET)


if __name__ == "__main__":
    sys.exit(main())
