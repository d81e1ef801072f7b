"""The model that the demo tunes."""

from pathlib import Path

import numpy as np
import pytest

from autotp.runtime.compile import Plan, compile_plan, inspect_model
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import infer_outputs
from autotp.runtime.models.demo import GAINS, build_demo_model
from autotp.runtime.models.digest import digest
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import Port
from autotp.space.knobs.table import KNOBS


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's IR."""
    return build_demo_model(tmp_path_factory.mktemp("demo"))


def test_it_has_the_ports_that_it_says(demo: Path) -> None:
    """Embeddings go in, hidden states of the same shape come out."""
    info = inspect_model(locate(demo), {})
    assert info.inputs == (Port("image", "f32", (1, 3, 32, 32)),)
    assert info.outputs == (Port("features", "f32", (1, 8, 32, 32)),)


def test_it_is_the_same_every_time(demo: Path, tmp_path: Path) -> None:
    """Built twice it has one digest and the same weights, 7 kB of them."""
    again = build_demo_model(tmp_path)
    assert digest(locate(again)) == digest(locate(demo))
    assert again.with_suffix(".bin").read_bytes() == demo.with_suffix(".bin").read_bytes()
    assert digest(locate(demo)).weights_bytes == pytest.approx(7.4e3, rel=0.05)


def test_its_numbers_are_neither_huge_nor_dead(demo: Path) -> None:
    """The features are of moderate size through all blocks, and depend on the input."""
    compiled = compile_plan(Plan(files=locate(demo), shapes={}, properties={"INFERENCE_PRECISION_HINT": "f32"}))
    first, second = infer_outputs(compiled, seeded_samples(compiled.info, 0)[:2])
    assert 0.1 < first["features"].std() < 100.0
    assert not np.allclose(first["features"], second["features"], atol=0.1)


def test_it_says_what_each_setting_may_gain() -> None:
    """What it names are knobs, each with a sentence's middle."""
    assert set(GAINS) <= set(KNOBS)
    assert not [gain for gain in GAINS.values() if gain.endswith(".")]
