"""Every config of a space as a row; `tests.evidence.measure_merging` has a million of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import SpaceError
from autotp.space.aliases.grid import Grid, distinct
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import BoundKnob

STREAMS = BoundKnob(name="num_streams", choices=(None, 1, 2))
REQUESTS = BoundKnob(name="nireq", choices=(1, 2), multiple_of="num_streams")
PRECISION = BoundKnob(name="inference_precision_hint", choices=(None, "f32"), when=(("num_streams", (None, 2)),))


def test_rows_are_the_configs_that_conditions_admit() -> None:
    """Choices in order, products of their factor, and inactive knobs not set."""
    grid = Grid((STREAMS, REQUESTS, PRECISION))
    assert [grid.config(row).to_dict() for row in range(grid.size)] == [
        {},
        {"inference_precision_hint": "f32"},
        {"num_streams": 1, "nireq": 1},
        {"num_streams": 1, "nireq": 2},
        {"num_streams": 2, "nireq": 2},
        {"num_streams": 2, "nireq": 2, "inference_precision_hint": "f32"},
        {"num_streams": 2, "nireq": 4},
        {"num_streams": 2, "nireq": 4, "inference_precision_hint": "f32"},
    ]


def test_parts_are_different_configs_of_some_knobs() -> None:
    """Equal products of different factors are one part; every row points to its own."""
    grid = Grid((STREAMS, REQUESTS))
    ids, parts = grid.parts(("nireq",))
    assert sorted(part.count("nireq") or 0 for part in parts) == [0, 1, 2, 4]
    assert [parts[index].count("nireq") for index in ids] == [None, 1, 2, 2, 4]


def test_rows_are_found_by_what_they_set() -> None:
    """`having` finds settings, `holds` a whole config; `numbers` and `knobs_set` have a figure for each row."""
    grid = Grid((STREAMS, REQUESTS, PRECISION))
    assert np.flatnonzero(grid.having([("num_streams", 2), ("nireq", 2)])).tolist() == [4, 5]
    assert grid.holds(Config.of({"num_streams": 1, "nireq": 2}))
    assert not grid.holds(Config.of({"num_streams": 1}))
    assert grid.numbers("num_streams").tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert grid.knobs_set().tolist() == [0, 1, 2, 2, 2, 3, 2, 3]


def test_a_space_beyond_all_bounds_is_refused() -> None:
    """A billion configs end in one sentence before they fill the memory."""
    knobs = [
        BoundKnob(name=name, choices=tuple(range(1, 1001)))
        for name in ("num_streams", "inference_num_threads", "nireq")
    ]
    with pytest.raises(SpaceError, match="over 20,000,000 configs"):
        Grid(knobs)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-1, 2**30), min_size=3, max_size=3), max_size=30))
def test_different_rows_get_different_numbers(rows: list[list[int]]) -> None:
    """Equal rows have equal numbers, others others, and each number names the first row that has it."""
    columns = [np.array([row[column] for row in rows], dtype=np.int64) for column in range(3)]
    ids, firsts = distinct(columns, len(rows))
    for one, row in enumerate(rows):
        assert [ids[one] == ids[other] for other in range(len(rows))] == [row == other for other in rows]
        assert firsts[ids[one]] == rows.index(row)
