"""What a tuning ships, beside OpenVINO's best hint and the best of an exhaustive table, on real models.

    python -m tests.evidence.live_runs [NAME ...] [--out FILE]

Each model whose table is committed (`record_table.py`) is tuned with a tenth of what proving every config would
cost. Then, in the same run, `autotp compare` judges in fresh processes: the tuned config against the hint, the
table's best against the hint, and the tuned one against the table's best. Exit 0: nothing that ships is proven to
be more than 3 % slower than the table's best. Exit 1: something is.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from tests.evidence.compare_sides import compare, spelled
from tests.evidence.outcomes import REFERENCE, keep
from tests.evidence.record_table import RECORDINGS, model_of, tune
from tests.evidence.replays.costs import exhaustive_cost_s
from tests.evidence.replays.recorded import read_t4

SHARE = 0.1  # of the cost of proving every config
LEAST_S = 60
JUDGED_FOR = "90s"
SLOWER = 0.97


def table_of(name: str) -> Path:
    """Return where the table of the model called `name` is."""
    return REFERENCE / "tables" / f"{name}.t4.json"


def run(name: str) -> dict[str, Any]:
    """Tune the model called `name`, and judge what ships."""
    table, how = read_t4(table_of(name)), RECORDINGS[name]
    cost_s = exhaustive_cost_s(table)
    budget_s = max(LEAST_S, round(SHARE * cost_s))
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        began = monotonic()
        path = tune(name, f"{budget_s}s", Path(folder))
        tuned_s = monotonic() - began
        profile = yaml.safe_load((Path(folder) / "tuned.yaml").read_text())["profiles"][0]
    sides = {
        "hint": spelled(profile["result"]["baseline"]["config"]),
        "tuned": spelled(profile["config"]),
        "exhaustive": spelled(table.measured[table.best].settings),
    }
    flags = ["--model", str(path), *model_of(name)[1], "--objective", how.objective]

    def judged(a: str, b: str) -> dict[str, Any]:
        return compare(sides[a], sides[b], flags, JUDGED_FOR) if sides[a] != sides[b] else {"verdict": "the same"}

    return {
        "objective": how.objective,
        "sides": sides,
        "verdict": profile["result"]["verdict"],
        "claimed": profile["result"]["gain"],
        "tuned_s": round(tuned_s, 1),
        "exhaustive_s": round(cost_s, 1),
        "tuned_over_hint": judged("tuned", "hint"),
        "exhaustive_over_hint": judged("exhaustive", "hint"),
        "tuned_over_exhaustive": judged("tuned", "exhaustive"),
    }


def falls_short(found: dict[str, Any]) -> bool:
    """Whether what ships is proven to be slower than the table's best by more than 3 %."""
    high = found["tuned_over_exhaustive"].get("high")
    return high is not None and bool(high < SLOWER)


def main(arguments: list[str] | None = None) -> int:
    """Run every model, write the JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Tune real models and judge what ships.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECORDINGS))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    names = chosen.names or [name for name in RECORDINGS if table_of(name).exists()]
    models = {name: run(name) for name in names}
    short = [name for name, found in models.items() if falls_short(found)]
    keep({"models": models, "short": short}, chosen.out)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
