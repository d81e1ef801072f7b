"""What is proven in a tuned.yaml, and so stays until something new is."""

from pathlib import Path

import msgspec
import pytest

from autotp.deploy.headline import headline
from autotp.deploy.tuned import write_tuned
from autotp.findings.ruling import Ruling
from autotp.tuning.result.kept import proven_in
from tests.support.tuned_files import profile, tuned


@pytest.mark.parametrize("ruling", [Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN])
def test_a_win_and_a_tie_are_proven(tmp_path: Path, ruling: Ruling) -> None:
    """An inconclusive result isn't."""
    result = msgspec.structs.replace(profile().result, verdict=ruling)
    content = tuned(profile(result=result))
    write_tuned(tmp_path / "tuned.yaml", content, headline(content))
    assert proven_in(tmp_path / "tuned.yaml") == (None if ruling is Ruling.UNKNOWN else content)


@pytest.mark.parametrize("text", [None, "", "autotp: 1\n", "autotp: 99\n", "- ["])
def test_what_cannot_be_read_proves_nothing(tmp_path: Path, text: str | None) -> None:
    """A file that is missing, broken, or of another format."""
    if text is not None:
        (tmp_path / "tuned.yaml").write_text(text)
    assert proven_in(tmp_path / "tuned.yaml") is None
