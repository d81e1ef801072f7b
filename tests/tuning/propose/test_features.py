"""Features: what is alike lies close together."""

import numpy as np

from autotp.tuning.propose.features import Column, Features


def column(*values: object) -> Column:
    """A parameter with these values, a candidate each."""
    levels = tuple(dict.fromkeys(values))
    return Column(levels, np.array([levels.index(value) for value in values]))


def apart(features: Features, one: int, other: int) -> float:
    """The distance of two candidates."""
    return float(np.linalg.norm(features.points[one] - features.points[other]))


def test_numbers_are_placed_by_rank() -> None:
    """64 is as far from 4 as 4 from 2, and the order in which values are listed is of no matter."""
    features = Features.of([column(64, 1, 2, 4)])
    assert features.points[:, 0].tolist() == [1.0, 0.0, 1 / 3, 2 / 3]


def test_texts_and_flags_are_equally_far_apart() -> None:
    """They have no order, and a flag isn't a number."""
    features = Features.of([column("a", "b", "c")])
    assert {round(apart(features, *pair), 9) for pair in ((0, 1), (0, 2), (1, 2))} == {1.0}
    assert round(apart(Features.of([column(False, True)]), 0, 1), 9) == 1.0


def test_an_absent_number_has_a_dimension_of_its_own() -> None:
    """It is neither the least nor the largest of the numbers, and no number is as far from the others."""
    features = Features.of([column(None, 1, 2, 3)])
    assert features.dimensions.tolist() == [0, 1]
    assert apart(features, 0, 2) >= 1.0
    assert apart(features, 1, 3) == 1.0


def test_what_never_differs_is_left_out() -> None:
    """A parameter with one value says nothing, even where it could have had others."""
    unused = Column((1, 2), np.array([0, 0]))
    features = Features.of([unused, column("x", "x"), column(None, None), column(5, 7)])
    assert features.points.tolist() == [[0.0], [1.0]]
    assert Features.of([unused]).points.shape == (2, 0)


def test_neighbours_differ_in_one_dimension() -> None:
    """A text has several coordinates and is still one dimension."""
    features = Features.of([column("a", "b", "b", "c"), column(1, 1, 2, 1)])
    assert features.neighbours(0, np.arange(4)).tolist() == [1, 3]
    assert features.neighbours(0, np.array([2, 3])).tolist() == [3]
