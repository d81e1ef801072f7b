"""The reference outputs on disk."""

from pathlib import Path

import numpy as np
import pytest

from autotp.errors import EnvironmentFailure
from autotp.measuring.outputs.reference import load_outputs, reference_folder, save_outputs
from tests.support.outputs import two_samples


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    """Each array under its sample's index and its name, which may hold slashes, in its own type."""
    save_outputs(tmp_path / "reference.npz", two_samples())
    found = load_outputs(tmp_path / "reference.npz")
    assert list(found) == ["0/y", "0/a/b:0", "1/y", "1/a/b:0"]
    for index, sample in enumerate(two_samples()):
        for name, array in sample.items():
            assert found[f"{index}/{name}"].dtype == array.dtype
            np.testing.assert_array_equal(found[f"{index}/{name}"], array)


def test_the_folder_goes_with_its_owner() -> None:
    """Nothing is left of the reference."""
    with reference_folder() as folder:
        (Path(folder) / "reference.npz").write_bytes(b"")
    assert not Path(folder).exists()


def test_no_place_for_the_reference_is_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no temporary folder can be made the text says what to set."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentFailure, match=r"No such file or directory.*set TMPDIR"):
        reference_folder()
