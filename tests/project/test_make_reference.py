"""The reference outcomes: each with the facts of its own run, whatever becomes of its script."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evidence import make_reference
from tests.evidence.make_reference import keep_outcome

FACTS = {"command": "this one", "exit_code": 1}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outcome of an earlier run, in a folder of its own."""
    monkeypatch.setattr(make_reference, "ROOT", tmp_path)
    monkeypatch.setattr(make_reference, "REFERENCE", tmp_path)
    monkeypatch.setattr(make_reference, "describe", lambda *_: FACTS)
    path = tmp_path / "out.json"
    path.write_text('{"run": {"command": "an old one"}, "holds": true}')
    return path


def test_a_script_that_dies_leaves_its_last_words(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome of an earlier run doesn't pass for this one's."""
    monkeypatch.setattr(make_reference, "run", lambda _: ("x" * 3000 + "Traceback", 1, 0.1))
    assert not keep_outcome("dies", out="out")
    found = json.loads(kept.read_text())
    assert found["run"] == FACTS
    assert found["output"].endswith("Traceback")
    assert set(found) == {"run", "output"}


def test_an_outcome_stands_beside_the_facts_of_its_run(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The facts come first and are those of this run, also where a script writes some of its own."""

    def run(arguments: list[str]) -> Any:
        assert not kept.exists()
        assert arguments == ["-m", "tests.evidence.script", "rec", "--out", "out.json"]
        kept.write_text('{"holds": false, "run": {"command": "its own"}}')
        return "", 0, 0.1

    monkeypatch.setattr(make_reference, "run", run)
    assert keep_outcome("script", "rec", out="out")
    found = json.loads(kept.read_text())
    assert list(found) == ["run", "holds"]
    assert found["run"] == FACTS
