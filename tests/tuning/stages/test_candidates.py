"""Candidates: what a search tries first, how candidates start and end, and why none could be measured."""

from math import inf
from pathlib import Path
from typing import Any

import pytest

from autotp.deploy.tuned import write_tuned
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent.pool import Workers
from autotp.measuring.samples.block import Block
from autotp.space.knobs.config import Config
from autotp.tuning.opening import Tuning, first_event, open_tuning
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.candidates import PAST_LEADERS, Candidates, first_configs
from autotp.tuning.study.study import Role
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import candidates, candidates_in, simulated_tuning
from tests.support.tune_requests import built
from tests.support.tuned_files import profile, tuned

BLOCK = Block(count=1, elapsed_s=0.01, latencies_s=(0.01,), memory_bytes=1)
F32 = Config.of({"inference_precision_hint": "f32"})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def metrics(throughput_per_s: float) -> dict[str, float]:
    """Metrics of an arm of this speed."""
    return {"throughput_per_s": throughput_per_s, "memory_bytes": 1.0}


def opened(workers: Workers, model: Path, **given: Any) -> Tuning:
    """A tuning that was opened and closed."""
    tuning, _ = open_tuning(built(model, **given), lambda event: None, workers)
    tuning.session.close()
    return tuning


def first_of(tuning: Tuning) -> list[Config]:
    """Return the configs that a search tries first."""
    return first_configs(tuning.session, tuning.proposer, tuning.space.topology, tuning.best_elsewhere)


def test_a_new_search_begins_with_recipes(model: Path, tmp_path: Path, workers: Workers) -> None:
    """The first configs are those usual ones that the space holds, each once."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [default, 1], inference_precision_hint: [default, f32, bf16]}\n")
    given = {"space": str(space), "allow_precision": ["bf16", "f32"]}
    tuning = opened(workers, model, out=tmp_path / "out", **given)
    first = first_of(tuning)
    assert len(first) == len(set(first))
    assert all(tuning.proposer.holds(config) for config in first)


def test_a_resumed_search_begins_with_the_best_and_repeats_nothing_else(
    model: Path, tmp_path: Path, workers: Workers
) -> None:
    """The best three of the earlier call come first; whatever was measured or is an alias isn't proposed again."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [default, 1], nireq: [default, 2, 3, 4, 5, 6, 7, 8]}\n")
    given = {"out": tmp_path / "out", "space": str(space)}
    tuning = opened(workers, model, **given)
    study = tuning.session.study
    configs = list(tuning.space.effective())[:6]
    for speed, config in enumerate(configs[:5]):
        trial = study.begin(Role.SEARCH, config)
        study.complete(trial, metrics(float(speed)), [(0, 0, BLOCK)])
    study.alias(study.begin(Role.SEARCH, configs[5]), of=4)
    again = opened(workers, model, resume=True, **given)
    first = first_of(again)
    assert first[:PAST_LEADERS] == [configs[4], configs[3], configs[2]]
    assert not set(first[PAST_LEADERS:]) & set(configs)
    assert not [config for config in configs if again.proposer.holds(config)]


def test_what_was_best_elsewhere_is_tried_first(model: Path, tmp_path: Path, workers: Workers) -> None:
    """Where this space holds it, once, before the usual ones; the first event says how many those are."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [default, 1], nireq: [default, 2, 3, 4, 5, 6, 7, 8]}\n")
    there = {"num_streams": 1, "nireq": 7}
    write_tuned(tmp_path / "tuned.yaml", tuned(profile(there), profile({"num_streams": 999})), "A test.")
    usual = first_of(opened(workers, model, out=tmp_path / "cold", space=str(space)))
    tuning = opened(workers, model, out=tmp_path / "out", space=str(space), warm_start=tmp_path)
    assert first_of(tuning) == [Config.of(there), *(config for config in usual if config != Config.of(there))]
    assert first_event(tuning).warm_start == (1, 2)


def raced(model: Path, out: Path, count: int = 6) -> tuple[Session, Candidates]:
    """A session whose baselines have been raced, and so many candidates of the same speed."""
    tuning = simulated_tuning(made_up(0.02), dict.fromkeys(candidates(count), 1.0), model, out, seed=1)
    return tuning.session, candidates_in(tuning, race_baselines(tuning.session))


def test_why_nothing_was_measured_is_known(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too short a time, only failures, and a space of nothing but hints are different reasons."""
    session, short = raced(model, tmp_path / "short")
    words = "no candidate could be measured within the budget: give at least "
    assert str(short.nothing_measured).startswith(words)
    next(short.racing(session.budget.now() + 5.0))
    session.race.run(1, inf)
    short.end(short.live[0], dropped=False)
    assert short.nothing_measured is None
    session, empty = raced(model, tmp_path / "empty", count=0)
    assert not list(empty.racing(session.budget.now() + 5.0))
    assert empty.nothing_measured == "the space holds nothing besides OpenVINO's hints and what was tried before"
    session, failing = raced(model, tmp_path / "failing")
    gone = ArmFailure(Status.CRASHED, Phase.START, "gone")
    monkeypatch.setattr(session.bench, "start", lambda configs: [(session.bench.arm(c), gone) for c in configs])
    assert not list(failing.racing(session.budget.now() + 30.0))
    assert failing.nothing_measured == f"every candidate failed; the first: {gone}"
