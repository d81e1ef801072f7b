"""Real races between a config and itself: how often would autotp claim that it is faster than it is?

The simulated races resample recorded noise; this is the machine's own, and the whole machinery with it: workers,
blocks, weather, waves, verdict. Each race is `autotp compare` of the same hint on both sides.

    python -m tests.evidence.race_real cls --out results/reference/real_races.json

Exit 0: at most one of the races is a WIN or a LOSE, either of which claims a difference that isn't there, and at
most two are UNKNOWN, which prove nothing. Exit 1: more are. A race that fails ends the script.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.evidence.outcomes import keep
from tests.support.real_models import NAMES, real_model

HINT = "hint:THROUGHPUT"
RACES = 40
MOST_FALSE_PROOFS = 1
MOST_UNKNOWN = 2
ANSWERS = (0, 1, 3)  # WIN or TIE, LOSE, UNKNOWN


def compare(model: str, hint: str, budget: str, seed: int) -> dict[str, Any]:
    """Return what `autotp compare` says of `hint` against itself.

    Raises:
        RuntimeError: it gave no answer.
    """
    real = real_model(model)
    command = [sys.executable, "-m", "autotp", "compare", hint, hint, "--model", str(real.path)]
    command += ["--shape", real.shape_flag, "--budget", budget, "--seed", str(seed), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in ANSWERS:
        raise RuntimeError(f"autotp compare ended with {done.returncode}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: answer[key] for key in ("ratio", "low", "high", "verdict")}


def outcome(model: str, hint: str, budget: str, races: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is written down: the races, the verdicts counted, and how many intervals hold 1."""
    verdicts = Counter(str(race["verdict"]).lower() for race in races)
    return {
        "model": model,
        "hint": hint,
        "budget": budget,
        "verdicts": dict(verdicts),
        "false_proofs": verdicts["win"] + verdicts["lose"],
        "false_proofs_allowed": MOST_FALSE_PROOFS,
        "unknown_allowed": MOST_UNKNOWN,
        "intervals_that_hold_1": sum((r["low"] or 0.0) <= 1.0 <= (r["high"] or float("inf")) for r in races),
        "races": races,
    }


def holds(found: Mapping[str, Any]) -> bool:
    """Whether hardly any race claimed a difference, and hardly any ended in UNKNOWN."""
    unknown: int = found["verdicts"].get("unknown", 0)
    return int(found["false_proofs"]) <= MOST_FALSE_PROOFS and unknown <= MOST_UNKNOWN


def main(arguments: list[str] | None = None) -> int:
    """Race, write the outcome, and say whether it is as it should be."""
    parser = argparse.ArgumentParser(description="Race a config against itself, again and again.")
    parser.add_argument("model", choices=NAMES)
    parser.add_argument("--races", type=int, default=RACES)
    parser.add_argument("--hint", default=HINT)
    parser.add_argument("--budget", default="30s")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    races = []
    for seed in range(chosen.races):
        races.append(compare(chosen.model, chosen.hint, chosen.budget, seed))
        print(f"{seed + 1} of {chosen.races}: {races[-1]}", file=sys.stderr)
    found = outcome(chosen.model, chosen.hint, chosen.budget, races)
    keep(found, chosen.out)
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
