"""What races in storms, and races of a config against itself, have to show."""

from typing import Any

import pytest

from tests.evidence.measure_storms import holds, is_found, is_wrong
from tests.evidence.race_real import holds as real_races_hold


def race(middle: str, slow: str, gains: tuple[float, float] = (1.2, 1.1)) -> dict[str, Any]:
    """A race with these rulings; the gains are those of the fastest and the middle over the slowest."""
    named = dict(zip(("fast over slow", "middle over slow"), ([gain, 1.0, 1.3] for gain in gains), strict=True))
    return {"rulings": {"middle": middle, "slow": slow}, "gains": named}


def test_the_ranking_is_found_where_the_fastest_won_and_the_medians_are_in_order() -> None:
    """A tie in either ruling isn't it, nor is a middle that doesn't lie between the others."""
    assert is_found(race("fast", "fast"))
    assert not is_found(race("tie", "fast"))
    assert not is_found(race("fast", "fast", (1.2, 0.99)))
    assert not is_found(race("fast", "fast", (1.2, 1.3)))
    assert is_wrong(race("fast", "middle"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"wrong_wins": 1}, False),
        ({"unknown": 1}, False),
        ({"calm": race("unknown", "unknown")}, False),
    ],
)
def test_storms_hold_where_the_calm_is_found_and_all_is_told(changed: dict[str, Any], expected: bool) -> None:
    """A race that can't tell proves nothing."""
    assert holds({"calm": race("fast", "fast"), "wrong_wins": 0, "unknown": 0, **changed}) is expected


@pytest.mark.parametrize(
    ("false_proofs", "unknown", "expected"), [(0, 0, True), (1, 2, True), (2, 0, False), (0, 3, False)]
)
def test_a_config_against_itself(false_proofs: int, unknown: int, expected: bool) -> None:
    """At most one race may claim a difference, at most two may tell nothing."""
    found = {"false_proofs": false_proofs, "verdicts": {"tie": 30, "unknown": unknown}}
    assert real_races_hold(found) is expected
