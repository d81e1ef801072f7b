"""Whose a study is, in words for the one who may replace it."""

from pathlib import Path

import optuna
import pytest

from autotp.tuning.study.owner import owner, owner_facts, owner_in, spell_time
from tests.support.tuning_results import request_in

BEGAN = "2026-01-02T03:04:05+00:00"


def test_the_owner_is_the_model_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its whole path is recorded, links kept, and shown with the time of the beginning."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "current").symlink_to("v1")
    monkeypatch.chdir(tmp_path)
    facts = owner_facts(request_in(Path("current")), BEGAN)
    assert facts["model"] == str(tmp_path / "current/rec.xml")
    assert owner(facts) == f" (of {tmp_path}/current/rec.xml, begun 2026-01-02 03:04 UTC)"


def test_the_owner_is_found_in_the_storage(tmp_path: Path) -> None:
    """Each of several studies has its own; one of an earlier autotp has none."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    study = optuna.create_study(study_name="new", storage=url)
    for name, value in owner_facts(request_in(tmp_path), BEGAN).items():
        study.set_user_attr(name, value)
    optuna.create_study(study_name="old", storage=url)
    assert owner_in(url, "new") == f" (of {tmp_path}/rec.xml, begun 2026-01-02 03:04 UTC)"
    assert owner_in(url, "old") == ""


def test_a_time_is_spelled_to_the_minute() -> None:
    """In UTC, as people write it."""
    assert spell_time(BEGAN) == "2026-01-02 03:04 UTC"
