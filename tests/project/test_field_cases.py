"""The table of field cases: each has a number of its own and a test that exists."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.evidence.field_cases import __main__ as field_cases
from tests.evidence.field_cases.case import Case, Desk, NotAsExpected, last_json

ROOT = Path(__file__).parents[2]
CASES = [case for module in field_cases.MODULES for case in module]


def test_numbers_are_unique_and_none_is_missing() -> None:
    """All 22 cases are there, some in several parts."""
    assert max(Counter(case.number for case in CASES).values()) == 1
    assert {int(case.number.rstrip("abcdefgh")) for case in CASES} == set(range(1, 23))


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.number))
def test_the_test_that_holds_a_case_exists(case: Case) -> None:
    """Under the name that the table gives."""
    path, name = case.test.split("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_a_replay_says_what_it_saw(tmp_path: Path) -> None:
    """Or what differs, which makes the whole fail; paths of the fresh folder don't show."""

    def right(desk: Desk) -> str:
        return desk.python("print(1)").ended_with(0).says("1").stdout.strip()

    def wrong(desk: Desk) -> str:
        desk.python("import sys; sys.exit(3)").ended_with(0)
        return "never"

    cases = [
        Case(number=number, title="t", before="b", test="x::y", replay=replay)
        for number, replay in (("1", right), ("2", wrong))
    ]
    first, second = (field_cases.replay(case) for case in cases)
    assert (first["right"], first["after"]) == (True, "1")
    assert second["right"] is False
    assert "exit code 3" in second["after"]
    with pytest.raises(NotAsExpected, match="printed no JSON"):
        last_json(Desk(tmp_path).python("print('no')"))
