"""A split model on disk: what OpenVINO reads, no larger than the model that it was made of."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.errors import InputError, ModelError
from autotp.runtime.graph.split_ir import save_split
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.graph_split import GraphSplit
from tests.support import other_formats
from tests.support.compiled_graphs import multiplications, outputs
from tests.support.models import matmul_model
from tests.support.onnx_bytes import WIDTH as SIDE

VOCABULARY, WIDTH = 1024, 64


def written(folder: Path, tied: bool) -> Path:
    """Write a model of an embedding and a head, of one table or of two."""
    rng = np.random.default_rng(0)
    tables = [ops.constant(rng.integers(0, 256, (VOCABULARY, WIDTH), np.uint8)) for _ in range(1 if tied else 2)]
    embedding, head = (ops.multiply(ops.convert(t, "f32"), np.float32(0.01)) for t in (tables[0], tables[-1]))
    ids = ops.parameter([-1], np.int64, name="ids")
    logits = ops.matmul(ops.gather(embedding, ids, np.int64(0)), head, False, True)
    path = folder / "model.xml"
    ov.serialize(ov.Model([ops.result(logits)], [ids], "language"), path)
    return path


@pytest.mark.parametrize("tied", [True, False])
def test_a_split_model_is_no_larger_and_does_the_same(tied: bool, tmp_path: Path) -> None:
    """Shards of a table that is there as a whole, too, take no bytes of their own."""
    path, target = written(tmp_path, tied), tmp_path / "split.xml"
    assert save_split(locate(path), GraphSplit(3, 0), target) == 1
    size = path.with_suffix(".bin").stat().st_size
    assert size <= target.with_suffix(".bin").stat().st_size < size + 256
    core = ov.Core()
    split, ids = core.read_model(target), np.array([0, 5, VOCABULARY - 1])
    assert len(multiplications(split)) == 3
    np.testing.assert_allclose(outputs(split, ids), outputs(core.read_model(path), ids), rtol=1e-5, atol=1e-3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.bin", "model.xml", "split.bin", "split.xml"]


def test_what_is_there_is_kept_where_it_can_not_be_split(tmp_path: Path) -> None:
    """A file that is there stays, and nothing half-written lies beside it."""
    path, target = written(tmp_path, tied=True), tmp_path / "split.xml"
    target.write_text("mine")
    with pytest.raises(ModelError, match="can't be split into 2000"):
        save_split(locate(path), GraphSplit(2000, 0), target)
    assert target.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", other_formats.NAMES)
def test_a_model_of_any_format_becomes_an_ir(name: str, tmp_path: Path) -> None:
    """Its layer is split, and it answers as before."""
    target = tmp_path / "split.xml"
    assert save_split(locate(other_formats.write_all(tmp_path)[name]), GraphSplit(2, 0), target) == 1
    split = ov.Core().compile_model(target, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    row = np.linspace(-1, 1, SIDE, dtype=np.float32)[None]
    np.testing.assert_allclose(split(row)[0], other_formats.expected(row), atol=1e-5)


def test_a_target_that_can_not_be_is_refused(tmp_path: Path) -> None:
    """The model itself, another suffix, a folder that isn't there."""
    path = matmul_model(tmp_path)
    before = path.read_bytes()
    for target, reason in (
        (path, "is the model itself"),
        (tmp_path / "split.onnx", "must end in .xml"),
        (tmp_path / "nowhere" / "split.xml", "No such file or directory"),
    ):
        with pytest.raises(InputError, match=reason):
            save_split(locate(path), GraphSplit(2, 0), target)
    assert path.read_bytes() == before
