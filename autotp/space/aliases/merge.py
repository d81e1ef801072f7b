"""Merging the configs of a grid: drops those that can't run, with reasons, and merges aliases.

Each step looks only at the knobs that matter to it, and computes each distinct combination of them once.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from autotp.errors import SpaceError
from autotp.space.aliases.grid import Grid, Ids, distinct
from autotp.space.aliases.predictor import (
    PLACEMENT_KNOBS,
    REST_KNOBS,
    STREAM_KNOBS,
    Identity,
    Placement,
    Predictor,
)
from autotp.space.knobs.config import Config

_FEASIBLE = -1


class Rule(NamedTuple):
    """A rule that drops configs: `why_not` returns the reason or None, and reads only `knobs` of a config."""

    knobs: tuple[str, ...]
    why_not: Callable[[Config], str | None]


class Merged:
    """The effective configs of a grid, each represented by the first alias with the fewest knobs set."""

    def __init__(self, grid: Grid, predictor: Predictor, rules: Iterable[Rule]) -> None:
        reason_of, reasons = _drop(grid, rules)
        rows = np.flatnonzero(reason_of == _FEASIBLE)
        rows = rows[np.argsort(grid.knobs_set()[rows], kind="stable")]
        self.feasible = len(rows)
        counts = np.bincount(reason_of[reason_of != _FEASIBLE], minlength=len(reasons))
        self.dropped = dict(zip(reasons, counts.tolist(), strict=True))
        kinds, plans, plan_of = _plan(grid, rows, predictor)
        rest_ids, rests = grid.parts(REST_KNOBS)
        rest_of_part, self._rests = _number(predictor.rest(part) for part in rests)
        rest = rest_of_part[rest_ids[rows]]
        _, firsts = distinct([plan_of, rest], len(rows))
        firsts = firsts[np.argsort(rows[firsts])]
        self.rows = rows[firsts]
        self._kinds = kinds
        self._keys = np.vstack([plans[:, plan_of[firsts]], rest[firsts]])

    def find(self, identity: Identity) -> int | None:
        """Return the index of the effective config with this identity, None if there is none."""
        kind, rest = self._kinds.get(identity.kind), self._rests.get(identity.rest)
        if kind is None or rest is None:
            return None
        key = np.array([kind, *identity.plan, rest])
        found = np.flatnonzero((self._keys == key[:, None]).all(axis=0))
        return int(found[0]) if len(found) else None


def _drop(grid: Grid, rules: Iterable[Rule]) -> tuple[Ids, list[str]]:
    """Return the index of each row's reason (-1 if it isn't dropped) and the reasons; the first rule decides."""
    numbers: dict[str, int] = {}
    reason_of = np.full(grid.size, _FEASIBLE)
    for rule in rules:
        ids, parts = grid.parts(rule.knobs)
        texts = [rule.why_not(part) for part in parts]
        found = [_FEASIBLE if text is None else numbers.setdefault(text, len(numbers)) for text in texts]
        reason_of = np.where(reason_of == _FEASIBLE, np.array(found)[ids], reason_of)
    return reason_of, list(numbers)


def _plan(grid: Grid, rows: Ids, predictor: Predictor) -> tuple[dict[Placement, int], Ids, Ids]:
    """Return the numbers of placements' kinds; distinct plans as columns (kind, two numbers); each row's plan."""
    placement_ids, parts = grid.parts(PLACEMENT_KNOBS)
    placement_ids = placement_ids[rows]
    placements = [_placement(part, predictor) for part in parts]
    streams, threads = (grid.numbers(knob)[rows] for knob in STREAM_KNOBS)
    ids, firsts = distinct([placement_ids, streams, threads], len(rows))
    placement_ids, streams, threads = placement_ids[firsts], streams[firsts], threads[firsts]
    kinds: dict[Placement, int] = {}
    plans = np.zeros((3, len(firsts)), dtype=np.int64)
    for index, placement in enumerate(placements):
        here = np.flatnonzero(placement_ids == index)
        if placement is not None and len(here):
            plans[0, here] = kinds.setdefault(placement.kind, len(kinds))
            plans[1:, here] = placement.plan(streams[here], threads[here])
    lowest = plans.min(axis=1, initial=0)[:, None]
    numbers, plan_firsts = distinct(list(plans - lowest), len(firsts))
    return kinds, plans[:, plan_firsts], numbers[ids]


def _placement(part: Config, predictor: Predictor) -> Placement | None:
    try:
        return predictor.placement(part)
    except SpaceError:
        return None  # a rule has dropped its rows


def _number(values: Iterable[tuple[object, ...]]) -> tuple[Ids, dict[tuple[object, ...], int]]:
    """Return the number of each value, equal for equal values, and the values' numbers."""
    numbers: dict[tuple[object, ...], int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values]), numbers
