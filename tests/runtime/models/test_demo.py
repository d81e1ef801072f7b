"""The model that the demo tunes."""

from pathlib import Path

import numpy as np
import pytest

from autotp.runtime.compile import Plan, compile_plan, inspect_model
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import infer_outputs
from autotp.runtime.models.demo import build_demo_model
from autotp.runtime.models.digest import digest
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import Port


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's IR."""
    return build_demo_model(tmp_path_factory.mktemp("demo"))


def test_it_has_the_ports_that_it_says(demo: Path) -> None:
    """Embeddings go in, hidden states of the same shape come out."""
    shape = (1, 16, 768)
    info = inspect_model(locate(demo), {})
    assert (info.inputs, info.outputs) == ((Port("embeddings", "f32", shape),), (Port("hidden", "f32", shape),))


def test_it_is_the_same_every_time(demo: Path, tmp_path: Path) -> None:
    """Built twice it has one digest and the same weights, 57 MB of them."""
    again = build_demo_model(tmp_path)
    assert digest(locate(again)) == digest(locate(demo))
    assert again.with_suffix(".bin").read_bytes() == demo.with_suffix(".bin").read_bytes()
    assert digest(locate(demo)).weights_bytes == pytest.approx(57e6, rel=0.05)


def test_it_gives_normalized_numbers(demo: Path) -> None:
    """Each token's hidden state has mean 0 and deviation 1, and depends on the input."""
    compiled = compile_plan(Plan(files=locate(demo), shapes={}, properties={"INFERENCE_PRECISION_HINT": "f32"}))
    first, second = infer_outputs(compiled, seeded_samples(compiled.info, 0)[:2])
    np.testing.assert_allclose(first["hidden"].mean(axis=-1), 0.0, atol=1e-3)
    np.testing.assert_allclose(first["hidden"].std(axis=-1), 1.0, atol=1e-2)
    assert not np.allclose(first["hidden"], second["hidden"], atol=0.1)
