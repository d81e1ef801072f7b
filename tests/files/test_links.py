"""Paths through links: they stay as they were given, and are relative only where that leads to the same place."""

from pathlib import Path

import pytest

from autotp.files.links import as_given, relative_to_folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `models/current`, a link to `models/v1`, and `far`, a link to a folder deep elsewhere."""
    (tmp_path / "models/v1").mkdir(parents=True)
    (tmp_path / "models/current").symlink_to("v1")
    (tmp_path / "deep/down/here").mkdir(parents=True)
    (tmp_path / "far").symlink_to("deep/down/here")
    (tmp_path / "results/s").mkdir(parents=True)
    return tmp_path


def test_links_are_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path becomes absolute, and the link in it stays a link."""
    monkeypatch.chdir(place / "models")
    assert as_given(Path("current/m.xml")) == place / "models/current/m.xml"


def test_going_up_is_worked_out_only_where_that_is_right(place: Path) -> None:
    """Behind a link to another folder, `..` leads to the parent of that folder, so it stays in the path."""
    assert as_given(place / "models/../results") == place / "results"
    assert as_given(place / "far/../m.xml") == place / "far/../m.xml"


def test_a_relative_path_goes_through_the_same_links(place: Path) -> None:
    """The link is in the relative path, too."""
    found = relative_to_folder(place / "models/current/m.xml", place / "results/s")
    assert found == Path("../../models/current/m.xml")


@pytest.mark.parametrize("folder", ["far", "far/s"])
def test_up_from_a_linked_folder_there_is_none(place: Path, folder: str) -> None:
    """Above a folder that is reached through a link lies another one than its name suggests."""
    assert relative_to_folder(place / "models/v1/m.xml", place / folder) is None


def test_another_file_of_that_name_does_not_count(place: Path) -> None:
    """Even a link there to the same file isn't taken: it may be pointed elsewhere later."""
    (place / "deep/down/models").mkdir()
    (place / "deep/down/models/current").symlink_to(place / "models/v1")
    assert relative_to_folder(place / "models/current/m.xml", place / "far") is None


def test_below_a_linked_folder_a_path_may_be_relative(place: Path) -> None:
    """Both lie below the same link, and nothing goes up through it."""
    assert relative_to_folder(place / "far/models/m.xml", place / "far/results/s") == Path("../../models/m.xml")


def test_what_has_no_plain_path_is_not_relative(place: Path) -> None:
    """A path that goes up behind a link stays whole."""
    assert relative_to_folder(place / "far/../m.xml", place / "results") is None
