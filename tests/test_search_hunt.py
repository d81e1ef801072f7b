"""What a search tries first, and again."""

from pathlib import Path

import pytest

from autotp.measure import Block, Workers
from autotp.search.hunt import PAST_LEADERS, _first_configs
from autotp.search.session import open_session
from autotp.search.store import Role
from autotp.space import Config
from tests.models import matmul_model
from tests.test_search_request import built

BLOCK = Block(count=1, elapsed_s=0.01, latencies_s=(0.01,), memory_bytes=1)
F32 = Config.of({"inference_precision_hint": "f32"})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def metrics(throughput_per_s: float) -> dict[str, float]:
    """Metrics of an arm of this speed."""
    return {"throughput_per_s": throughput_per_s, "memory_bytes": 1.0}


def test_a_new_search_begins_with_recipes(model: Path, tmp_path: Path, workers: Workers) -> None:
    """The first configs are those recipes that the space holds, each once."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [default, 1], inference_precision_hint: [default, f32, bf16]}\n")
    given = {"space": str(space), "allow_precision": ["bf16", "f32"]}
    session = open_session(built(model, out=tmp_path / "out", **given), lambda event: None, workers)
    session.close()
    first = _first_configs(session)
    assert len(first) == len(set(first))
    assert all(session.proposer.holds(config) for config in first)


def test_a_resumed_search_begins_with_the_best_and_repeats_nothing_else(
    model: Path, tmp_path: Path, workers: Workers
) -> None:
    """The best three of the earlier call come first; all that was measured or an alias is taken."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [default, 1], nireq: [default, 2, 3, 4, 5, 6, 7, 8]}\n")
    request = built(model, out=tmp_path / "out", space=str(space))
    session = open_session(request, lambda event: None, workers)
    session.close()
    configs = list(session.bound.effective())[:6]
    for speed, config in enumerate(configs[:5]):
        trial = session.store.begin(Role.SEARCH, config)
        session.store.complete(trial, metrics(float(speed)), [(0, 0, BLOCK)])
    session.store.alias(session.store.begin(Role.SEARCH, configs[5]), of=4)
    again = open_session(
        built(model, out=tmp_path / "out", space=str(space), resume=True), lambda event: None, workers
    )
    again.close()
    first = _first_configs(again)
    assert first[:PAST_LEADERS] == [configs[4], configs[3], configs[2]]
    assert not set(first[PAST_LEADERS:]) & set(configs)
    assert not [config for config in configs if again.proposer.holds(config)]
