"""Does the interval of a tuning hold later? What ships is judged again, for hours, on two models.

    python -m tests.evidence.judge_later --out FILE [--for 6h] [--every 10m]

The first call tunes both models and keeps what they claim. Each call then judges the tuned config against the
same hint with `autotp compare`, again and again, and adds what it finds to FILE; so the hours may be spread over
several calls. A later judgement has an error of its own. So what changes between times is taken as the variance
between judgements beyond their errors (DerSimonian and Laird, "Meta-analysis in clinical trials", 1986), and a
judgement lies outside if its interval and the claimed one don't meet. Exit 0: over at least six hours, at most 5 %
of the judgements of each model do. Exit 1: more do, or the hours are too few.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import yaml

from tests.evidence.compare_sides import compare, spelled
from tests.evidence.outcomes import keep
from tests.evidence.record_table import RECORDINGS, model_of, tune

MODELS = ("rec", "cls")
TUNED_FOR = "2m"
JUDGED_FOR = "60s"
LEAST_HOURS = 6.0
MOST_OUTSIDE = 0.05
NORMAL_95 = 1.96
UNITS = {"s": 1, "m": 60, "h": 3600}


def claimed(name: str) -> dict[str, Any]:
    """Tune the model called `name`; return both sides and the claimed gain."""
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        tune(name, TUNED_FOR, Path(folder))
        profile = yaml.safe_load((Path(folder) / "tuned.yaml").read_text())["profiles"][0]
    sides = [spelled(profile["config"]), spelled(profile["result"]["baseline"]["config"])]
    result = profile["result"]
    return {"sides": sides, "verdict": result["verdict"], "gain": result["gain"], "judgements": []}


def judge(name: str, found: dict[str, Any]) -> None:
    """Judge what the model's tuning shipped once more, and add that to `found`."""
    path, fixed = model_of(name)
    flags = ["--model", str(path), *fixed, "--objective", RECORDINGS[name].objective]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    tuned, hint = found["sides"]
    found["judgements"].append({"at": at, **compare(tuned, hint, flags, JUDGED_FOR)})


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return how the judgements of a model lie to what was claimed."""
    judgements = found["judgements"]
    if len(judgements) < 2:
        return {"judgements": len(judgements), "hours": 0.0, "outside": 0.0}
    gain, times = found["gain"], [datetime.fromisoformat(one["at"]) for one in judgements]
    outside = [one["high"] < gain["low"] or one["low"] > gain["high"] for one in judgements]
    return {
        "judgements": len(judgements),
        "hours": round((times[-1] - times[0]).total_seconds() / 3600, 2),
        "outside": round(float(np.mean(outside)), 4),
        "between_times": round(between_times(judgements), 5),
    }


def between_times(judgements: Sequence[dict[str, Any]]) -> float:
    """Return the standard deviation of the log-gain from time to time, beyond the judgements' own errors."""
    logs = np.log([[one["low"], one["ratio"], one["high"]] for one in judgements])
    weights = ((logs[:, 2] - logs[:, 0]) / (2 * NORMAL_95)) ** -2.0
    mean = float(np.average(logs[:, 1], weights=weights))
    excess = float(weights @ (logs[:, 1] - mean) ** 2) - (len(logs) - 1)
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    return float(np.sqrt(max(0.0, excess / scale)))


def holds(found: dict[str, Any]) -> bool:
    """Whether the judgements were long enough and few enough lie outside."""
    figures = summary(found)
    return bool(figures["hours"] >= LEAST_HOURS and figures["outside"] <= MOST_OUTSIDE)


def seconds(text: str) -> float:
    """Return a duration such as `10m` in seconds."""
    return float(text[:-1]) * UNITS[text[-1]]


def main(arguments: list[str] | None = None) -> int:
    """Judge for as long as asked for; return the exit code."""
    parser = argparse.ArgumentParser(description="Judge again and again what two tunings shipped.")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to begin or to go on with")
    parser.add_argument("--for", dest="lasting", type=seconds, default=seconds("6h"), metavar="DURATION")
    parser.add_argument("--every", type=seconds, default=seconds("10m"), metavar="DURATION")
    chosen = parser.parse_args(arguments)
    models = json.loads(chosen.out.read_text())["models"] if chosen.out.exists() else {}
    for name in [name for name in MODELS if name not in models]:
        models[name] = claimed(name)
    began = monotonic()
    while True:
        since = monotonic()
        for name, found in models.items():
            judge(name, found)
        keep({"models": models, "summary": {name: summary(found) for name, found in models.items()}}, chosen.out)
        if monotonic() + chosen.every > began + chosen.lasting:
            break
        sleep(max(0.0, since + chosen.every - monotonic()))
    return 0 if all(holds(found) for found in models.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
