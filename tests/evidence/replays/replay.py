"""Replays searches on a table with many seeds, and sums up what they find after given numbers of evaluations."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import TypedDict

import numpy as np

from tests.evidence.replays.pool import side_by_side
from tests.evidence.replays.searches import available, measured
from tests.evidence.replays.tables import Table, read_table

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


_Task = tuple[str, str, int, str, int]  # what `_search` takes


class Summary(TypedDict):
    """A figure over seeds."""

    median: float
    p10: float


class Figures(Summary):
    """What a search found: the way gone from the table's median to its best, and the value's ratio to the best."""

    ratio: Summary


Found = dict[str, dict[str, Figures]]  # by search, by number of evaluations


def replay(
    path: Path, objective: str, names: Sequence[str], evaluations: Sequence[int], seeds: int, jobs: int
) -> Found:
    """Return what each search in `names` found in the table at `path` after each number of evaluations.

    With more than one of `jobs`, as many processes search side by side.

    Raises:
        InputError: the table can't be read.
    """
    table = _table(str(path), objective)
    tasks = list(product(names, range(seeds)))
    given = [(str(path), objective, max(evaluations), *task) for task in tasks]
    orders = side_by_side(_search, given, jobs)
    found: Found = {}
    for name in names:
        mine = [order for (searched, _), order in zip(tasks, orders, strict=True) if searched == name]
        found[name] = {str(count): _figures(table, mine, count) for count in evaluations}
    return found


def _search(path: str, objective: str, evaluations: int, name: str, seed: int) -> list[int]:
    table = _table(path, objective)
    return measured(available()[name](table.columns, seed), table.scores, evaluations)


@cache
def _table(path: str, objective: str) -> Table:
    return read_table(Path(path), objective)


def _figures(table: Table, orders: Sequence[Sequence[int]], count: int) -> Figures:
    best = [max(order[:count], key=lambda row: float(table.scores[row])) for order in orders]
    ratio = _summary([table.ratio(row) for row in best])
    return Figures(**_summary([table.way_gone(row) for row in best]), ratio=ratio)


def _summary(values: Sequence[float]) -> Summary:
    return Summary(median=float(np.median(values)), p10=float(np.quantile(values, 0.1)))
