"""The fetching of real models: pinned, whole or absent, and honest about a missing network."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import real_models
from tests.support.real_models import (
    ModelCorruptError,
    ModelUnavailableError,
    language_model,
    real_model,
    real_model_or_skip,
)


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbids pip to look at any index, as without a network but at once."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


@pytest.mark.parametrize("name", real_models.NAMES)
def test_model_reads_and_takes_its_shape(name: str) -> None:
    """OpenVINO reads each model and accepts the input name and shape that come with it."""
    import openvino

    found = real_model_or_skip(name)
    model = openvino.Core().read_model(found.path)
    model.reshape({found.input_name: list(found.shape)})
    assert tuple(model.input(found.input_name).shape) == found.shape


def test_shape_flag_is_what_the_command_line_takes() -> None:
    """The shape is also given as autotp's --shape wants it."""
    assert real_models.RealModel(Path("m.onnx"), (1, 3, 48, 320)).shape_flag == "x=[1,3,48,320]"


@pytest.mark.usefixtures("no_index")
def test_missing_network_is_one_clear_error(tmp_path: Path) -> None:
    """Without a network the error names the package and the way out, and the cache stays empty."""
    with pytest.raises(ModelUnavailableError, match=r"rapidocr-onnxruntime==1\.4\.4.*AUTOTP_MODEL_CACHE"):
        real_model("rec", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_index")
def test_missing_network_skips_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that need a model skip with that reason."""
    monkeypatch.setenv(real_models.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="can't be downloaded"):
        real_model_or_skip("cls")


def test_second_call_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cached model is returned without asking pip."""
    first = real_model_or_skip("rec")
    monkeypatch.setattr(real_models, "_download", lambda *_: pytest.fail("asked for a download"))
    assert real_model("rec") == first


@pytest.mark.usefixtures("no_index")
def test_damaged_cache_is_not_used(tmp_path: Path) -> None:
    """A cached file with other content is fetched anew, never returned."""
    (tmp_path / "ch_PP-OCRv4_rec_infer.onnx").write_bytes(b"half a mod")
    with pytest.raises(ModelUnavailableError):
        real_model("rec", tmp_path)


def test_other_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel whose hash isn't the pinned one is refused, and nothing of it reaches the cache."""

    def serve(folder: Path, package: real_models._Package) -> Path:
        (folder / "rapidocr_onnxruntime-1.4.4-py3-none-any.whl").write_bytes(b"something else")
        return real_models._checked_wheel(folder, package)

    monkeypatch.setattr(real_models, "_download", serve)
    with pytest.raises(ModelCorruptError, match="SHA-256"):
        real_model("rec", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_language_model_needs_what_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without openvino-genai the error says so, and nothing is downloaded."""
    monkeypatch.setattr(real_models, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailableError, match="openvino-genai isn't installed"):
        language_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_language_model_that_was_made_is_returned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is made once; then neither openvino-genai nor a network is needed."""
    monkeypatch.setattr(real_models, "find_spec", lambda name: None)
    made = tmp_path / real_models.LANGUAGE_MODEL
    made.mkdir()
    (made / "openvino_model.xml").touch()
    assert language_model(tmp_path) == made


def test_by_hand_it_prints_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints one path a line, for use in a shell."""
    expected = real_model_or_skip("cls").path
    assert real_models.main(["--cache", str(real_models.cache_folder()), "cls"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(expected)]
