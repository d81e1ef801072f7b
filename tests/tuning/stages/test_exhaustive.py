"""The exhaustive search: everything is measured, equally often."""

from collections import Counter
from pathlib import Path

import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.tuning.events import Event, SweepEnded
from autotp.tuning.race.racer import Baselines
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.candidates import Candidates
from autotp.tuning.stages.exhaustive import measure_all
from autotp.tuning.study.study import Role
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import candidates, candidates_in, simulated_tuning, trials_of

CONFIGS = candidates(7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def raced(model: Path, out: Path) -> tuple[Session, Candidates, Baselines]:
    """A session whose baselines have been raced, and candidates; the first is half as fast as the others."""
    speeds = dict.fromkeys(CONFIGS, 1.0) | {CONFIGS[0]: 0.5}
    tuning = simulated_tuning(made_up(0.02), speeds, model, out, seed=1, exhaustive=True)
    baselines = race_baselines(tuning.session)
    return tuning.session, candidates_in(tuning, baselines), baselines


def searched(session: Session) -> Counter[str]:
    """Return how many trials of the search each config had."""
    return Counter(str(trial.config) for trial in trials_of(session) if trial.role is Role.SEARCH)


def test_every_config_is_measured_equally_often(model: Path, tmp_path: Path) -> None:
    """Slow ones too, in sweeps, for as long as there is time; a last sweep may end within."""
    session, found, baselines = raced(model, tmp_path)
    events: list[Event] = []
    session.emit = events.append
    until = session.budget.now() + 120.0
    survivors = measure_all(session, found, baselines, until)
    sweeps = [event for event in events if isinstance(event, SweepEnded)]
    assert [sweep.processes for sweep in sweeps] == list(range(1, len(sweeps) + 1))
    assert {sweep.configs for sweep in sweeps} == {len(CONFIGS)}
    times = searched(session)
    assert set(times) == set(map(str, CONFIGS))
    assert set(times.values()) <= {len(sweeps), len(sweeps) + 1}
    assert len(sweeps) > 2
    assert until - 6.0 < session.budget.now() < until + 1.0
    assert {racer.config for racer in survivors} == set(CONFIGS)
    assert {len(racer.blocks) // session.race.rounds_to_judge for racer in survivors} <= {
        len(sweeps),
        len(sweeps) + 1,
    }


def test_each_block_has_one_of_the_baseline_in_its_round(model: Path, tmp_path: Path) -> None:
    """So every figure of the table is a ratio within a round."""
    session, found, baselines = raced(model, tmp_path)
    for racer in measure_all(session, found, baselines, session.budget.now() + 60.0):
        assert racer.blocks.keys() <= baselines.best.blocks.keys()


def test_what_fails_later_is_out(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config that can't be started again isn't tried any more and can't reach the finals."""
    session, found, baselines = raced(model, tmp_path)
    start, gone, seen = session.bench.start, ArmFailure(Status.CRASHED, Phase.START, "gone"), Counter[str]()

    def frail(configs, gated=True):  # type: ignore[no-untyped-def]
        seen.update(map(str, configs))
        doomed = [config == CONFIGS[1] and seen[str(config)] > 1 for config in configs]
        return [(arm, gone if d else o) for d, (arm, o) in zip(doomed, start(configs, gated), strict=True)]

    monkeypatch.setattr(session.bench, "start", frail)
    survivors = measure_all(session, found, baselines, session.budget.now() + 60.0)
    assert {racer.config for racer in survivors} == set(CONFIGS) - {CONFIGS[1]}
    assert seen[str(CONFIGS[1])] == 2
