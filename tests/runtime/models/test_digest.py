"""Digests that follow the graph but not the weights' bulk."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import ModelError
from autotp.runtime.compile import inspect_model
from autotp.runtime.models.digest import Digest, digest
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from tests.support import other_formats
from tests.support.models import matmul_model
from tests.support.onnx_bytes import (
    DOUBLES,
    FLOATS,
    INT64S,
    MODEL,
    PAYLOAD,
    RAW,
    WIDTH,
    field,
    graph,
    model,
    node,
    tensor,
)
from tests.support.real_models import real_model_or_skip


def digest_of(data: bytes) -> Digest:
    """The digest of an .onnx file with this content."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(data)
        file.flush()
        return digest(locate(Path(file.name)))


def digest_or_none(data: bytes) -> Digest | None:
    """The same, None where it's refused in one sentence."""
    try:
        return digest_of(data)
    except ModelError as error:
        assert "\n" not in str(error)
        return None


def test_ir_digest_is_the_xmls_hash_and_the_bins_size(tmp_path: Path) -> None:
    """New weights of the same size keep an IR's digest; another graph or size changes it."""
    path = matmul_model(tmp_path)
    weights = path.with_suffix(".bin")
    before = digest(locate(path))
    assert before == Digest(hashlib.sha256(path.read_bytes()).hexdigest(), weights.stat().st_size)
    weights.write_bytes(bytes(weights.stat().st_size))
    assert digest(locate(path)) == before
    weights.write_bytes(b"")
    assert digest(locate(path)) == Digest(before.graph_sha256, 0)
    path.write_text(path.read_text().replace("relu", "relv") + "\n")
    assert digest(locate(path)).graph_sha256 != before.graph_sha256


def test_the_hand_written_onnx_is_one(tmp_path: Path) -> None:
    """OpenVINO reads the bytes that the tests below change."""
    path = tmp_path / "m.onnx"
    path.write_bytes(MODEL)
    info = inspect_model(locate(path), {})
    assert [(p.name, p.shape) for p in (*info.inputs, *info.outputs)] == [("x", (1, WIDTH)), ("y", (1, WIDTH))]


@settings(deadline=None, derandomize=True)
@given(st.integers(0, len(MODEL) - 1), st.integers(1, 255))
def test_onnx_digest_changes_with_any_byte_but_the_weights(position: int, change: int) -> None:
    """A changed byte inside the weights keeps the digest; anywhere else it changes it or is refused."""
    data = bytearray(MODEL)
    data[position] ^= change
    start = MODEL.index(PAYLOAD)
    same = digest_or_none(bytes(data)) == digest_of(MODEL)
    assert same == (start <= position < start + len(PAYLOAD))


@pytest.mark.parametrize("payload_field", [RAW, FLOATS, INT64S, DOUBLES])
def test_weights_are_passed_over_in_every_field_that_holds_them(payload_field: int) -> None:
    """Raw bytes and packed floats, whole numbers and doubles are counted and not hashed."""
    found = digest_of(model(graph(weights=tensor(PAYLOAD, payload_field=payload_field))))
    other = digest_of(model(graph(weights=tensor(bytes(len(PAYLOAD)), payload_field=payload_field))))
    assert found == other
    assert found.weights_bytes == len(PAYLOAD)


@pytest.mark.parametrize("holder", ["tensor", "tensors", "graph", "graphs"])
def test_weights_in_attributes_and_inner_graphs_are_passed_over(holder: str) -> None:
    """A Constant's value and the initializers of a branch count as weights, too."""

    def with_inner(payload: bytes) -> Digest:
        number = {"tensor": 5, "tensors": 10, "graph": 6, "graphs": 11}[holder]
        inner = tensor(payload) if holder.startswith("tensor") else graph(weights=tensor(payload))
        attribute = field(5, field(1, "value") + field(number, inner))
        return digest_of(model(graph(node("If", attribute), weights=b"")))

    assert with_inner(PAYLOAD) == with_inner(PAYLOAD[::-1])
    assert with_inner(PAYLOAD) != with_inner(PAYLOAD + bytes(4))


def test_small_constants_belong_to_the_graph() -> None:
    """Axes and shapes, which decide what the graph does, are hashed."""
    small = bytes(64)
    found = digest_of(model(graph(weights=tensor(small, width=4))))
    assert found.weights_bytes == 0
    assert found != digest_of(model(graph(weights=tensor(b"\1" + small[1:], width=4))))


def test_onnx_digest_tells_sizes_of_weights_apart() -> None:
    """More weights are another digest even where nothing else differs."""
    longer = digest_of(model(graph(weights=tensor(PAYLOAD + bytes(4)))))
    assert longer.weights_bytes == len(PAYLOAD) + 4
    assert longer.graph_sha256 != digest_of(MODEL).graph_sha256


def test_onnx_cut_short_anywhere_in_its_graph_is_refused() -> None:
    """Each of 300 cuts inside the graph is refused in one sentence."""
    start = MODEL.index(graph())
    for cut in (len(MODEL) - 1, len(MODEL) // 2, start + 1):
        with pytest.raises(ModelError, match="truncated"):
            digest_of(MODEL[:cut])
    cuts = range(start + 1, len(MODEL), len(graph()) // 300)
    assert [cut for cut in cuts if digest_or_none(MODEL[:cut]) is not None] == []


def test_an_empty_onnx_is_refused() -> None:
    """A file of no bytes says so."""
    with pytest.raises(ModelError, match=r"\.onnx can't be read as a model: it is empty\."):
        digest_of(b"")


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    """A model deleted after it was located is an error of the model, in either format."""
    for kind in ModelKind:
        with pytest.raises(ModelError, match="gone"):
            digest(ModelFiles(tmp_path / "gone", kind))


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=4000), st.integers(0, len(MODEL)))
def test_random_bytes_give_a_digest_or_one_sentence(noise: bytes, keep: int) -> None:
    """Whatever follows a whole or cut model, there is a digest or a refusal, nothing else."""
    for data in (noise, MODEL[:keep] + noise):
        found = digest_or_none(data)
        assert found is None or len(found.graph_sha256) == 64


def test_endless_nesting_is_refused() -> None:
    """Graphs in attributes in graphs, thousands deep, are refused and don't bring the reader down."""
    data = bytes(2000)
    for _ in range(2000):
        data = field(1, field(5, field(6, data)))
    with pytest.raises(ModelError, match="nested more than 100 levels deep"):
        digest_of(model(data))


@pytest.mark.parametrize("name", other_formats.NAMES)
def test_other_formats_digests_follow_the_graph_and_not_the_weights(name: str, tmp_path: Path) -> None:
    """New weights of the same size keep a digest, wherever they lie; another activation is another graph."""
    found, retrained, changed = (
        digest(locate(other_formats.write_all(tmp_path / which, weights, activation)[name]))
        for which, weights, activation in (
            ("first", other_formats.weights(), other_formats.RELU),
            ("retrained", other_formats.weights(seed=1), other_formats.RELU),
            ("changed", other_formats.weights(), other_formats.TANH),
        )
    )
    assert found == retrained
    assert found.weights_bytes >= other_formats.weights().nbytes
    assert found.graph_sha256 != changed.graph_sha256


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("paddle", "model.pdiparams"),
        ("saved", "saved/variables/variables.data-00000-of-00001"),
        ("meta", "net.ckpt.data-00000-of-00001"),
    ],
)
def test_weights_in_files_of_their_own_are_counted(name: str, beside: str, tmp_path: Path) -> None:
    """More weights beside the graph are another digest, with the same graph."""
    path = other_formats.write_all(tmp_path)[name]
    before = digest(locate(path))
    with (tmp_path / beside).open("ab") as file:
        file.write(bytes(100))
    assert digest(locate(path)) == Digest(before.graph_sha256, before.weights_bytes + 100)


@pytest.mark.parametrize("name", ["frozen", "meta", "saved", "tflite"])
def test_a_file_that_is_cut_short_has_another_digest(name: str, tmp_path: Path) -> None:
    """Half a file is hashed as it is: whether it is a model at all is for OpenVINO to say."""
    path = other_formats.write_all(tmp_path)[name]
    before = digest(locate(path))
    graph_file = path / "saved_model.pb" if path.is_dir() else path
    half = graph_file.read_bytes()[: graph_file.stat().st_size // 2]
    graph_file.write_bytes(half)
    assert digest(locate(path)) == Digest(hashlib.sha256(half).hexdigest(), 0)
    assert digest(locate(path)).graph_sha256 != before.graph_sha256


def test_an_unknown_format_is_hashed_as_a_whole(tmp_path: Path) -> None:
    """Of what autotp doesn't know, any byte may be the graph."""
    path = tmp_path / "model.new"
    for content in (b"\xff" * 5000, b""):
        path.write_bytes(content)
        assert digest(locate(path)) == Digest(hashlib.sha256(content).hexdigest(), 0)


def test_a_real_models_digest_passes_over_its_weights(tmp_path: Path) -> None:
    """Of the OCR recogniser most bytes are weights, a flip among them keeps the digest, a cut is refused."""
    real = real_model_or_skip("rec").path
    data = bytearray(real.read_bytes())
    before = digest(locate(real))
    assert 0.8 * len(data) < before.weights_bytes < len(data)
    copy = tmp_path / "copy.onnx"
    data[len(data) // 2] ^= 0xFF
    copy.write_bytes(data)
    assert digest(locate(copy)) == before
    copy.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="truncated"):
        digest(locate(copy))
