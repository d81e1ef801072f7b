"""Which files a model is, and in which format."""

from pathlib import Path

import openvino as ov
import pytest
from openvino.frontend import FrontEndManager

from autotp.errors import ModelError
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from tests.support import other_formats
from tests.support.language_models import (
    embeddings_language_model,
    language_model,
    sentence_encoder,
    speech_decoder,
)
from tests.support.models import matmul_model
from tests.support.onnx_bytes import MODEL


def test_an_ir_is_its_xml_with_its_bin(tmp_path: Path) -> None:
    """An .xml brings the .bin beside it where there is one, and a folder stands for its openvino_model.xml."""
    path = matmul_model(tmp_path, "openvino_model")
    files = ModelFiles(path, ModelKind.IR, path.with_suffix(".bin"))
    assert locate(path) == locate(tmp_path) == files
    path.with_suffix(".bin").unlink()
    assert locate(path) == ModelFiles(path, ModelKind.IR, None)


def test_an_onnx_is_one_file(tmp_path: Path) -> None:
    """An .onnx has no separate weights."""
    path = tmp_path / "m.onnx"
    path.write_bytes(MODEL)
    assert locate(path) == ModelFiles(path, ModelKind.ONNX)


@pytest.mark.parametrize("name", other_formats.NAMES)
def test_other_formats_are_called_as_openvino_calls_them(name: str, tmp_path: Path) -> None:
    """The format of a file is the name of the frontend that OpenVINO reads it with."""
    path = other_formats.write_all(tmp_path)[name]
    assert locate(path) == ModelFiles(path, ModelKind(FrontEndManager().load_by_model(str(path)).get_name()))


def test_a_saved_model_is_its_folder(tmp_path: Path) -> None:
    """OpenVINO reads the folder alone, so the file in it stands for that."""
    folder = other_formats.write_all(tmp_path)["saved"]
    assert locate(folder / "saved_model.pb") == locate(folder) == ModelFiles(folder, ModelKind.TF)


@pytest.mark.parametrize("name", ["model.onnx", "model.xml", "frozen.pb"])
def test_the_suffix_does_not_decide(name: str, tmp_path: Path) -> None:
    """What OpenVINO recognises by its content is recognised under another name, with its weights."""
    other_formats.write_all(tmp_path)
    (tmp_path / "model.onnx").write_bytes(MODEL)
    matmul_model(tmp_path)
    known = locate(tmp_path / name)
    bare = tmp_path / "0f3a9c"
    bare.write_bytes(known.path.read_bytes())
    if known.weights is not None:
        bare.with_suffix(".bin").write_bytes(known.weights.read_bytes())
    found = locate(bare)
    assert (found.path, found.kind) == (bare, known.kind)
    assert found.kind == FrontEndManager().load_by_model(str(bare)).get_name()
    assert ov.Core().read_model(found.path).inputs[0].any_name == "x:0" if "pb" in name else "x"


@pytest.mark.parametrize(
    ("name", "text"), [("missing.xml", r"missing\.xml doesn't exist"), (".", r"holds no openvino_model\.xml")]
)
def test_what_is_not_there_is_refused(tmp_path: Path, name: str, text: str) -> None:
    """A missing file, and a folder without a model, are named."""
    with pytest.raises(ModelError, match=text):
        locate(tmp_path / name)


def test_any_other_file_is_left_to_openvino(tmp_path: Path) -> None:
    """No file is refused for its suffix or content before OpenVINO was asked."""
    for content in (b"", b"hello", b"\x0a\xff\xff", bytes(100)):
        (tmp_path / "a.weights").write_bytes(content)
        assert locate(tmp_path / "a.weights").path == tmp_path / "a.weights"


def test_decoders_that_are_not_fed_with_tokens_alone_are_irs(tmp_path: Path) -> None:
    """State and beams make no language model: a decoder may be fed by an encoder or with embeddings.

    Nor is it one if what comes out are no logits.
    """
    for make in (speech_decoder, embeddings_language_model, sentence_encoder):
        assert locate(make(tmp_path / make.__name__)).kind is ModelKind.IR
    assert locate(language_model(tmp_path / "llm")).kind is ModelKind.LLM


def test_a_language_model_of_one_length_is_an_ir(tmp_path: Path) -> None:
    """Made for one prompt length, as for accelerators, it can't read prompts of others."""
    folder = language_model(tmp_path / "llm")
    model = ov.Core().read_model(folder / "openvino_model.xml")
    model.reshape({"input_ids": [1, 8], "attention_mask": [1, 8], "position_ids": [1, 8], "beam_idx": [1]})
    ov.save_model(model, tmp_path / "fixed.xml", compress_to_fp16=False)
    assert locate(tmp_path / "fixed.xml").kind is ModelKind.IR
