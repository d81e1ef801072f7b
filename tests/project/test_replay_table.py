"""The replay of tables: any table of this form is read, and what is reported is what was found."""

import json
from pathlib import Path

import pytest

from tests.evidence.replay_table import main
from tests.evidence.replays.searches import available, measured
from tests.evidence.replays.tables import read_table

TEXTS = """mode , size ,Time-,Speed+
fast, 1 ,4.0 ,250
fast,?,2.0,500
slow,1,8.0,125
slow , 2,10.0,100
"""


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A table with texts, a gap, and blanks."""
    path = tmp_path / "texts.csv"
    path.write_text(TEXTS)
    return path


def grid(path: Path) -> Path:
    """A table of 64 rows."""
    rows = [f"{x},{y},{100 + 10 * x - (y - 3) ** 2}" for x in range(8) for y in range(8)]
    path.write_text("\n".join(["x,y,Rate+", *rows]))
    return path


def test_a_table_is_read_as_it_is_meant(texts: Path) -> None:
    """Blanks don't count, a gap is no number, and both objectives are there."""
    table = read_table(texts, "Time-")
    assert table.names == ("mode", "size")
    assert [column.levels for column in table.columns] == [("fast", "slow"), (1.0, None, 2.0)]
    assert (table.maximize, table.values.tolist()) == (False, [4.0, 2.0, 8.0, 10.0])
    assert (table.ratio(1), table.ratio(0), table.way_gone(1)) == (1.0, 0.5, 1.0)
    assert table.way_gone(0) == pytest.approx(0.5)
    assert read_table(texts, "Speed+").scores.argmax() == 1


@pytest.mark.parametrize("search", list(available()))
def test_each_search_measures_each_row_once(search: str, texts: Path, tmp_path: Path) -> None:
    """As many as it was given, or all that there are."""
    for path, objective, most, count in ((texts, "Time-", 9, 4), (grid(tmp_path / "grid.csv"), "Rate+", 20, 20)):
        table = read_table(path, objective)
        order = measured(available()[search](table.columns, 0), table.scores, most)
        assert len(order) == len(set(order)) == count


def test_the_report_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For each search and number: the way gone and the ratio; with all rows measured, both are 1."""
    path = grid(tmp_path / "grid.csv")
    arguments = [
        str(path),
        "--objective",
        "Rate+",
        "--evaluations",
        "10,64",
        "--seeds",
        "2",
        "--jobs",
        "1",
        "--json",
    ]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"ours", "tpe", "random"} <= found.keys()
    for counts in found.values():
        assert counts["64"] == {"median": 1.0, "p10": 1.0, "ratio": {"median": 1.0, "p10": 1.0}}
        assert counts["10"]["p10"] <= counts["10"]["median"] <= 1.0
    assert main([*arguments[:-1], "--searches", "ours"]) == 0
    assert "ours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "objective", "said"),
    [
        ("", "A+", "is empty"),
        ("x,A+\n1,2\n", "B+", "has no objective 'B+'; it has A+"),
        ("x,A+\n1\n", "A+", "line 2: 1 cells where the header has 2"),
        ("x,A+\n1,many\n", "A+", "'many' in column A+ is no number"),
        ("x,A+\n1,?\n", "A+", "holds no measurement"),
        ("x,y\n1,2\n", "A+", "it has none"),
    ],
)
def test_what_is_no_table_is_one_sentence(
    content: str, objective: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exit code 2."""
    path = tmp_path / "bad.csv"
    path.write_text(content)
    assert main([str(path), "--objective", objective]) == 2
    assert said in capsys.readouterr().err
    assert main([str(tmp_path / "none.csv"), "--objective", objective]) == 2
