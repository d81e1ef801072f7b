"""Replays the faults that people in this field have met, each on the command line in a fresh folder.

    python -m tests.evidence.field_cases [--only 3,7a] [--out results/reference/field_cases.json]

Exit 0: every case ended as it should. Exit 1: one didn't; the outcome says which, and what was seen.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from tests.evidence.field_cases import (
    false_win,
    kinds_of_models,
    machine_and_signals,
    refused_models,
    storage_and_names,
    verdicts_and_budgets,
    wrong_model,
)
from tests.evidence.field_cases.case import Case, Desk, NotAsExpected
from tests.evidence.outcomes import keep

MODULES: tuple[tuple[Case, ...], ...] = (
    false_win.CASES,
    wrong_model.CASES,
    machine_and_signals.CASES,
    refused_models.CASES,
    storage_and_names.CASES,
    kinds_of_models.CASES,
    verdicts_and_budgets.CASES,
)


def replay(case: Case) -> dict[str, Any]:
    """Replay `case` in a fresh folder; return what is written down."""
    began = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            right, seen = True, case.replay(Desk(Path(folder).resolve()))
        except NotAsExpected as different:
            right, seen = False, str(different)
    seen = seen.replace(str(Path(folder).resolve()), "FOLDER")
    print(f"{case.number} {case.title}: {'right' if right else 'WRONG'}: {seen}", flush=True)
    return {
        "case": case.number,
        "title": case.title,
        "before": case.before,
        "after": seen,
        "right": right,
        "test": case.test,
        "seconds": round(monotonic() - began, 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the cases, write the JSON, print the summary."""
    parser = argparse.ArgumentParser(description="Replay faults that people in this field have met.")
    parser.add_argument(
        "--only", help="numbers such as 3,7a; 7 takes 7a and 7b; --out keeps what it has of others"
    )
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    only = set(chosen.only.split(",")) if chosen.only else None
    cases = [
        case
        for module in MODULES
        for case in module
        if only is None or {case.number, case.number.rstrip("abcdefgh")} & only
    ]
    replayed = [replay(case) for case in cases]
    outcomes = replayed if only is None else merged(earlier(chosen.out), replayed)
    wrong = [outcome["case"] for outcome in outcomes if not outcome["right"]]
    keep({"cases": outcomes, "wrong": wrong}, chosen.out)
    return 1 if wrong or not replayed else 0


def earlier(path: Path | None) -> list[dict[str, Any]]:
    """Return what was written down at `path` by an earlier call."""
    return list(json.loads(path.read_text())["cases"]) if path and path.exists() else []


def merged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the outcomes of both in the order of the cases; those of `new` replace those of `old`."""
    found = {outcome["case"]: outcome for outcome in (*old, *new)}
    numbers = [case.number for module in MODULES for case in module]
    return [found[number] for number in numbers if number in found]


if __name__ == "__main__":
    sys.exit(main())
