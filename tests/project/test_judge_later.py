"""Judgements of a tuning at later times, made up."""

from typing import Any

import pytest

from tests.evidence.judge_later import between_times, holds, summary

CLAIM = {"median": 1.10, "low": 1.09, "high": 1.11}


def judgement(hour: float, ratio: float, half: float = 0.01) -> dict[str, Any]:
    """One at that hour of a day, with an interval that reaches so far to both sides."""
    at = f"2026-01-01T{int(hour):02}:{int(hour % 1 * 60):02}:00+00:00"
    return {"at": at, "verdict": "win", "ratio": ratio, "low": ratio - half, "high": ratio + half}


def test_judgements_that_scatter_by_their_error_show_no_change() -> None:
    """Half of them a little above, half a little below: within what each says of itself."""
    found = {"gain": CLAIM, "judgements": [judgement(hour, 1.10 + 0.003 * (-1) ** hour) for hour in range(7)]}
    assert summary(found) == {"judgements": 7, "hours": 6.0, "outside": 0.0, "between_times": 0.0}
    assert holds(found)


def test_a_change_between_times_is_found_beyond_the_errors() -> None:
    """Gains that differ by 10 % from hour to hour, each known to 1 %: a deviation of about 5 %."""
    judgements = [judgement(hour, 1.05 if hour % 2 else 1.15) for hour in range(8)]
    assert between_times(judgements) == pytest.approx(0.048, abs=0.003)
    found = {"gain": CLAIM, "judgements": judgements}
    assert summary(found)["outside"] == 1.0
    assert not holds(found)


def test_few_hours_hold_nothing() -> None:
    """However well they agree; one judgement alone says nothing."""
    assert not holds({"gain": CLAIM, "judgements": [judgement(0, 1.10), judgement(5.9, 1.10)]})
    assert not holds({"gain": CLAIM, "judgements": [judgement(0, 1.10)]})
