"""`autotp select` on the command line."""

from pathlib import Path

import pytest

from autotp.deploy.headline import headline
from autotp.deploy.tuned import read_tuned, write_tuned
from tests.support.command_line import autotp
from tests.support.fronts import MIDDLE, NARROW, WIDE, with_front


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tuned.yaml with a front of three."""
    content = with_front(WIDE, MIDDLE, NARROW)
    write_tuned(tmp_path / "tuned.yaml", content, headline(content))
    return tmp_path / "tuned.yaml"


def test_the_file_then_ships_what_is_preferred(path: Path) -> None:
    """It says so on standard output and in its comment."""
    code, out, err = autotp("select", str(path), "--prefer", "latency_p99")
    assert (code, err) == (0, "")
    assert read_tuned(path).profiles[0].config == NARROW.config
    assert out.startswith("2.5 times as fast in latency_p99")
    assert all(f"# {line}" in path.read_text() for line in out.splitlines())


def test_another_file_leaves_the_first_as_it_was(path: Path) -> None:
    """With --out only that file is written."""
    before, other = path.read_bytes(), path.with_name("other.yaml")
    assert autotp("select", str(path), "--prefer", "knee", "--out", str(other))[0] == 0
    assert read_tuned(other).profiles[0].config == MIDDLE.config
    assert path.read_bytes() == before


def test_what_cannot_be_selected_changes_nothing(path: Path) -> None:
    """Bad input is one sentence that names the file, and exit code 2."""
    before = path.read_bytes()
    code, out, err = autotp("select", str(path), "--prefer", "speed")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "tuned.yaml: It wasn't tuned for 'speed'" in err
    assert path.read_bytes() == before
