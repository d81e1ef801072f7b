"""The judgement of how long commands take, by values."""

from tests.evidence.measure_commands import BARE, PROGRAMS, UNIT, judge

FAST = {program: [0.1, 0.1, 9.0] for program in PROGRAMS} | {BARE: [0.01, 0.02, 0.03], UNIT: [0.12, 0.11, 0.13]}


def test_units_are_over_a_bare_interpreter() -> None:
    """Medians count, and what NumPy takes is one unit."""
    found = judge(FAST)
    assert (found["bare_s"], found["unit_s"], found["holds"]) == (0.02, 0.1, True)
    assert {command["units"] for command in found["commands"].values()} == {0.8}


def test_one_slow_command_is_too_many() -> None:
    """Three units are the most."""
    found = judge(FAST | {"autotp probe": [0.33, 0.33, 0.01]})
    assert found["commands"]["autotp probe"]["units"] == 3.1
    assert not found["holds"]
    assert set(found["commands"]) == set(PROGRAMS) - {BARE, UNIT}
