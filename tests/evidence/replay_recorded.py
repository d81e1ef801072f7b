"""Our tuning beside its rivals on recorded tables of real models, with their noise and their costs.

    python -m tests.evidence.replay_recorded results/reference/tables [--seeds 100] [--jobs 2] [--out FILE]

Each table is replayed with every seed: whole tunings by the real stages with budgets that are shares of what an
exhaustive proof of all configs costs, and rivals that measure once, for 2, 6 or 20 s a config, or search for a
part of the time and then judge as we do. A regret is the share by which what ships is worse than the table's
best; the best is chosen in odd rounds and all are scored in even ones. Exit 0: on each table that is scored, the
median regret is at most 1 % and its 95th percentile at most 3 % at a tenth of the exhaustive cost, and 2 % are
reached at half the cost of the best rival that measures once. Exit 1: something isn't so, and `missed` says by
how much.
"""

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.evidence.outcomes import keep
from tests.evidence.replays.costs import exhaustive_cost_s
from tests.evidence.replays.machine import RecordedMachine
from tests.evidence.replays.pool import side_by_side
from tests.evidence.replays.recorded import read_t4
from tests.evidence.replays.rivals import MEASURING_S, at, measure_once, with_finals
from tests.evidence.replays.searches import HillClimb, InOrder, Make, available
from tests.evidence.replays.tuning import RecordedSpace, tune
from tests.support.models import matmul_model

OURS = "ours"
SHARES = (0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.57)  # of the exhaustive cost
ASKED_SHARE, ASKED_MEDIAN, ASKED_P95 = 0.1, 0.01, 0.03
REACHED = 0.02  # the regret whose cost is compared
SCORED_AT = 0.01  # a table whose own noise is larger isn't held to these
WITH_FINALS = ("tpe", "random")

Regrets = dict[str, list[float]]  # by search, one for each of SHARES
Figures = dict[str, Any]


def rivals() -> dict[str, Make]:
    """Return the searches that measure once, without ours."""
    others: dict[str, Make] = {"grid order": InOrder.of_the_grid, "hill climb": HillClimb}
    return {name: make for name, make in available().items() if name != OURS} | others


def replay(path: str, seed: int) -> tuple[Regrets, dict[str, list[float]]]:
    """Return the regrets of every search on the table at `path`, and of ours what it cost and what it found."""
    space = _space(path)
    cost_s = exhaustive_cost_s(space.table)
    budgets_s = [share * cost_s for share in SHARES]
    found: Regrets = {}
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        model = matmul_model(Path(folder))
        ours = [tune(space, budget_s, seed, model, Path(folder)) for budget_s in budgets_s]
    found[OURS] = [space.table.regret(one.row) for one in ours]
    for name, make in rivals().items():
        for seconds in MEASURING_S:
            rng = random.Random(f"{name} {seconds} {seed}")
            ships, _ = measure_once(space, make(space.columns, seed), seconds, budgets_s[-1], rng)
            found[f"{name}, {seconds:g} s"] = [space.table.regret(at(ships, budget_s)) for budget_s in budgets_s]
            if name in WITH_FINALS:
                ships = with_finals(space, _maker(make, space, seed), seconds, iter(budgets_s), rng)
                found[f"{name}, {seconds:g} s, finals"] = [
                    space.table.regret(at(ships, budget_s)) for budget_s in budgets_s
                ]
    took = {
        "cost": [one.cost_s / cost_s for one in ours],
        "search": [one.search_s / one.cost_s for one in ours],
        "search_cost": [one.search_s / cost_s for one in ours],
        "found_regret": [space.table.regret(one.found) for one in ours],
        "measured": [float(one.measured) for one in ours],
    }
    return found, took


def _maker(make: Make, space: RecordedSpace, seed: int) -> Callable[[], Any]:
    return lambda: make(space.columns, seed)


@cache
def _space(path: str) -> RecordedSpace:
    return RecordedSpace(RecordedMachine(read_t4(Path(path))))


def figures(path: Path, seeds: int, jobs: int) -> Figures:
    """Replay the table at `path` with so many seeds; return what was found."""
    done = side_by_side(replay, [(str(path), seed) for seed in range(seeds)], jobs)
    table = _space(str(path)).table
    names = done[0][0]
    regrets = {name: np.array([found[name] for found, _ in done]) for name in names}
    took = {what: np.median([took[what] for _, took in done], axis=0).round(4).tolist() for what in done[0][1]}
    return {
        "configs": len(table.measured),
        "noise": round(table.noise(), 5),
        "share_within_1_percent": round(table.share_near_the_best(0.01), 4),
        "hint": round(table.regret(None), 4),
        "exhaustive_cost_s": round(exhaustive_cost_s(table), 1),
        "shares": list(SHARES),
        "ours": took,
        "median": {name: np.median(all_, axis=0).round(5).tolist() for name, all_ in regrets.items()},
        "p95": {name: np.quantile(all_, 0.95, axis=0).round(5).tolist() for name, all_ in regrets.items()},
    }


def cost_to_reach(medians: Sequence[float], regret: float = REACHED) -> float | None:
    """Return the smallest share from which on the median regret stays at most `regret`; None without one."""
    reached = None
    for share, median in reversed(list(zip(SHARES, medians, strict=True))):
        if median > regret:
            break
        reached = share
    return reached


def missed(name: str, found: Figures) -> list[str]:
    """Return in words what is asked on one table and isn't reached."""
    place, said = SHARES.index(ASKED_SHARE), []
    for asked, of in ((ASKED_MEDIAN, "median"), (ASKED_P95, "p95")):
        bound = max(asked, found["noise"]) if of == "median" else max(asked, 3 * found["noise"])
        if (regret := found[of][OURS][place]) > bound:
            said.append(f"{name}: {of} regret {regret:.2%} at {ASKED_SHARE:.0%} of the cost, {bound:.2%} is asked")
    ours = cost_to_reach(found["median"][OURS])
    for rival, medians in found["median"].items():
        theirs = cost_to_reach(medians)
        if rival == OURS or theirs is None:
            continue
        bound = theirs if rival.endswith("finals") else theirs / 2
        if ours is None or ours > bound:
            said.append(f"{name}: {REACHED:.0%} at {ours} of the cost, {rival} at {theirs}")
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay all tables, write the JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Replay tunings and their rivals on recorded tables.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    tables: dict[str, Figures] = {}
    for path in sorted(chosen.folder.glob("*.t4.json")):
        name = path.name.partition(".")[0]
        tables[name] = figures(path, chosen.seeds, chosen.jobs)
        at_a_tenth = SHARES.index(ASKED_SHARE)
        print(name, {k: round(v[at_a_tenth], 4) for k, v in tables[name]["median"].items()}, file=sys.stderr)
    said = [what for name, found in tables.items() for what in missed(name, found)]
    keep({"seeds": chosen.seeds, "tables": tables, "missed": said}, chosen.out)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
