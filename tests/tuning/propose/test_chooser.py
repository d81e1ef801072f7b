"""The chooser on landscapes whose best is known."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from autotp.tuning.propose.chooser import AT_RANDOM, ENOUGH_TO_SAY, MOST_LOOKED_AT, Chooser, Outcome
from autotp.tuning.propose.features import Column, Features

SIDE = 12
GRID = np.array(list(product(range(SIDE), range(SIDE), range(2))))
FEATURES = Features.of([Column(tuple(range(size)), GRID[:, i]) for i, size in enumerate((SIDE, SIDE, 2))])


def hill(row: int) -> Outcome:
    """Highest at (8, 3, 1)."""
    x, y, flag = GRID[row]
    return Outcome((-0.02 * (x - 8) ** 2 - 0.03 * (y - 3) ** 2 + 0.3 * flag,))


def searched(
    look: Callable[[int], Outcome], count: int, seed: int = 0, features: Features = FEATURES
) -> list[int]:
    """The rows that are chosen, in order."""
    chooser, outcomes = Chooser(features, seed), dict[int, Outcome]()
    left = np.arange(len(features.points))
    for _ in range(count):
        row = chooser.choose(outcomes, (), left)
        assert row in left
        outcomes[row] = look(row)
        left = left[left != row]
    return list(outcomes)


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_many_is_found_by_few(seed: int) -> None:
    """A smooth landscape of 288: the best is among the first 25, where chance would take 144."""
    assert [8, 3, 1] in GRID[searched(hill, 25, seed)].tolist()


def test_equal_seeds_give_equal_choices() -> None:
    """Another seed gives others."""
    assert searched(hill, 12, 1) == searched(hill, 12, 1) != searched(hill, 12, 2)


def test_every_candidate_is_chosen_in_the_end() -> None:
    """Whether or not they differ in anything."""
    few = Features.of([Column((0, 1, 2), np.array([0, 0, 1, 2]))])
    alike = Features.of([Column((0,), np.zeros(5, dtype=int))])
    assert sorted(searched(lambda row: Outcome((0.0,)), 4, features=few)) == [0, 1, 2, 3]
    assert sorted(searched(lambda row: Outcome((1.0,)), 5, features=alike)) == [0, 1, 2, 3, 4]


def test_what_is_being_measured_is_not_chosen_beside() -> None:
    """Choices made at once are spread: each counts as measured for the next."""
    outcomes = {row: hill(row) for row in searched(hill, AT_RANDOM + 6)}
    chooser, left = Chooser(FEATURES, 0), np.array([row for row in range(len(GRID)) if row not in outcomes])
    chosen: list[int] = []
    for _ in range(3):
        chosen.append(chooser.choose(outcomes, chosen, left))
        left = left[left != chosen[-1]]
    assert len(set(chosen)) == 3


def test_bounds_are_kept_to() -> None:
    """Where the highest is beyond a bound that a quarter keeps, half of what is chosen keeps it."""

    def bounded(row: int) -> Outcome:
        return Outcome(hill(row).values, excess=float(GRID[row][0] - 2) / 2)

    keeping = [row for row in searched(bounded, 30) if GRID[row][0] <= 2]
    assert len(keeping) >= 15
    assert GRID[max(keeping, key=lambda row: hill(row).values)].tolist() == [2, 3, 1]


def test_where_nothing_keeps_the_bounds_the_nearest_is_sought() -> None:
    """Values don't count then."""
    found = searched(lambda row: Outcome(hill(row).values, excess=0.1 + GRID[row][1] / SIDE), 25)
    assert min(GRID[row][1] for row in found[AT_RANDOM:]) == 0


def test_several_objectives_are_all_looked_at() -> None:
    """The best of each is found, though one costs the other."""

    def two(row: int) -> Outcome:
        x, y, _ = GRID[row]
        return Outcome((-0.05 * (x - 2) ** 2, -0.05 * (x - 9) ** 2 - 0.05 * (y - 5) ** 2))

    found = GRID[searched(two, 50)]
    assert 2 in found[:, 0]
    assert any((row[:2] == [9, 5]).all() for row in found)


def test_of_many_candidates_some_are_looked_at() -> None:
    """Neighbours of the best among them, so that the best of a large space is found, too."""
    side = 100
    wide = np.array(list(product(range(side), range(side))))
    features = Features.of([Column(tuple(range(side)), wide[:, i]) for i in range(2)])
    assert len(wide) > MOST_LOOKED_AT

    def far(row: int) -> Outcome:
        x, y = wide[row] / side
        return Outcome((-((x - 0.83) ** 2) - 2 * (y - 0.21) ** 2,))

    best = max(far(row).values[0] for row in range(len(wide)))
    assert max(far(row).values[0] for row in searched(far, 40, features=features)) > best - 1e-3


def chance(
    rows: list[int], by: float, beside: float = -1e9, look: Callable[[int], Outcome] = hill
) -> float | None:
    """The chance that what wasn't measured is better."""
    left = np.setdiff1d(np.arange(len(GRID)), rows)
    return Chooser(FEATURES, 0).chance_of_better({row: look(row) for row in rows}, left, by, beside)


def test_the_chance_of_better_falls_as_the_best_is_found() -> None:
    """It is large while the top is far, and small once it is known; the more is asked for, the smaller it is."""
    far = np.random.default_rng(0).choice(np.flatnonzero(GRID[:, 0] < 5), ENOUGH_TO_SAY, replace=False).tolist()
    chances = [chance(far, by) for by in (0.0, 0.01, 2.0)]
    slight, some, large = (one for one in chances if one is not None)
    assert slight >= some > 0.5 > large
    late = chance(searched(hill, 40), 0.01)
    assert late is not None
    assert late < 0.05


def test_the_chance_counts_what_is_beside() -> None:
    """Where a baseline is far ahead of all that was measured, nothing that is left is likely to beat it."""
    few = searched(hill, ENOUGH_TO_SAY)
    assert chance(few, 0.01, beside=10.0) == 0.0


def test_what_breaks_bounds_is_no_better() -> None:
    """If only what is beyond the bounds is higher, the chance is small."""

    def bounded(row: int) -> Outcome:
        return Outcome(hill(row).values, excess=float(GRID[row][0] - 6.5) / 6)

    found = chance(searched(bounded, 40), 0.01, look=bounded)
    assert found is not None
    assert found < 0.1


def test_before_enough_is_measured_no_chance_is_told() -> None:
    """Nor for several objectives, or where nothing keeps the bounds."""
    enough = searched(hill, ENOUGH_TO_SAY)
    assert chance(enough[:-1], 0.01) is None
    assert chance(enough, 0.01, look=lambda row: Outcome((*hill(row).values, 0.0))) is None
    assert chance(enough, 0.01, look=lambda row: Outcome(hill(row).values, excess=1.0)) is None


def test_nothing_left_is_no_chance() -> None:
    """All that there is was measured."""
    everything = list(range(len(GRID)))
    assert chance(everything, 0.01) == 0.0
