"""What people would use instead of a tuning, on a machine that replays a recorded table.

A rival measures each config once, in one process, for a given time, and ships the best that it has seen so far.
With our finals, it searches for a part of the time, and its two best and the baseline are then judged as ours
are.
"""

import random
from collections.abc import Callable, Iterator
from math import log

import msgspec
import numpy as np

from autotp.measuring.rounds.waves import ENOUGH_ROUNDS
from autotp.measuring.samples.statistics import MIN_PROCESSES, noise_floor, proven
from tests.evidence.replays.costs import BASELINE_ARMS, block_s, start_s
from tests.evidence.replays.machine import Level, Parts
from tests.evidence.replays.searches import Searcher
from tests.evidence.replays.tuning import RecordedSpace
from tests.support.replayed import Clock

FINALISTS = 2
MEASURING_S = (2.0, 6.0, 20.0)
MOST_ASKED = 10_000  # rows, so that a search without an end has one


class Shipped(msgspec.Struct, frozen=True):
    """What would ship from a moment on: a measured row; None for OpenVINO's hint."""

    at_s: float
    row: int | None


Ships = list[Shipped]  # by time


def at(ships: Ships, cost_s: float) -> int | None:
    """Return what would ship after so many seconds."""
    return next((shipped.row for shipped in reversed(ships) if shipped.at_s <= cost_s), None)


def measure_once(
    space: RecordedSpace, searcher: Searcher, seconds: float, until_s: float, rng: random.Random
) -> tuple[Ships, dict[int, float]]:
    """Let `searcher` measure rows for so many seconds each; return what ships when, and the score of each row."""
    clock, level = Clock(), space.machine.level(rng)
    ships, scores = [Shipped(0.0, None)], dict[int, float]()
    for _ in range(MOST_ASKED):
        if clock.now_s >= until_s or (row := searcher.ask()) is None:
            break
        scores[row] = _measured(space, row, seconds, level, clock, rng)
        searcher.tell(row, scores[row])
        ships.append(Shipped(clock.now_s, max(scores, key=lambda known: scores[known])))
    return ships, scores


def _measured(
    space: RecordedSpace, row: int, seconds: float, level: Level, clock: Clock, rng: random.Random
) -> float:
    """Return the score of a row in a process of its own, from its own values, and let the time pass."""
    parts = space.machine.draw(space.machine.configs[row], rng, again=False)
    clock.now_s += parts.start_s
    began_s, at, logs = clock.now_s, rng.randrange(len(parts.rounds)), list[float]()
    while not logs or clock.now_s - began_s < seconds:
        part = parts.rounds[at % len(parts.rounds)]
        logs.append((1.0 if space.table.metric.maximize else -1.0) * log(level.value) + part.log_gain)
        level.go_on()
        at += 1
        clock.now_s += part.block_s
    return float(np.median(logs))


def finals_s(space: RecordedSpace) -> float:
    """Return what finals of two rows beside the baseline cost."""
    table = space.table
    each = np.median([start_s(row) + ENOUGH_ROUNDS * block_s(row) for row in table.measured])
    return float(MIN_PROCESSES * (FINALISTS + BASELINE_ARMS) * each)


def with_finals(
    space: RecordedSpace,
    make: Callable[[], Searcher],
    seconds: float,
    budgets_s: Iterator[float],
    rng: random.Random,
) -> Ships:
    """Return what a search ships that spends each of `budgets_s` on measuring once and on our finals."""
    ships = [Shipped(0.0, None)]
    needed_s = finals_s(space)
    for budget_s in budgets_s:
        if budget_s > needed_s:
            _, scores = measure_once(space, make(), seconds, budget_s - needed_s, rng)
            best = sorted(scores, key=lambda row: scores[row], reverse=True)[:FINALISTS]
            ships.append(Shipped(budget_s, _judged(space, best, rng)))
    return ships


def _judged(space: RecordedSpace, rows: list[int], rng: random.Random) -> int | None:
    """Return the best of `rows` that is proven to be better than the baseline; None without one."""
    hint = space.machine.hints[0]
    baseline = [_process_gain(space.machine.draw(hint, rng, again=False), rng) for _ in range(MIN_PROCESSES)]
    again = [_process_gain(space.machine.draw(hint, rng, again=True), rng) for _ in range(MIN_PROCESSES)]
    floor = noise_floor([mine - theirs for mine, theirs in zip(again, baseline, strict=True)])
    gains: dict[int, list[float]] = {}
    for row in rows:
        config = space.machine.configs[row]
        drawn = [_process_gain(space.machine.draw(config, rng, again=False), rng) for _ in range(MIN_PROCESSES)]
        gains[row] = [mine - theirs for mine, theirs in zip(drawn, baseline, strict=True)]
    sure = [row for row in rows if proven(gains[row], floor, len(rows))]
    return max(sure, key=lambda row: float(np.mean(gains[row])), default=None)


def _process_gain(parts: Parts, rng: random.Random) -> float:
    """Return the median log-gain of a process over as many rounds as finals have."""
    begin = rng.randrange(len(parts.rounds))
    rounds = [parts.rounds[(begin + n) % len(parts.rounds)] for n in range(ENOUGH_ROUNDS)]
    return float(np.median([part.log_gain for part in rounds]))
