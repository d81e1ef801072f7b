"""The baselines, raced on the real OpenVINO, and on recorded rounds where things go wrong."""

import os
from pathlib import Path

import msgspec
import pytest
from optuna.trial import TrialState

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.observed import Observed
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm
from autotp.space import Config
from autotp.tuning.events import ArmEnded, Baselined, Event, NoiseMeasured
from autotp.tuning.session import Session, open_session
from autotp.tuning.stages.baselines import HINTS, measure_noise, race_baselines, retire_baseline
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import SimulatedBench, simulated_session
from tests.support.tune_requests import built

CPUS = os.sched_getaffinity(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def test_own_settings_that_openvino_refuses_end_the_tuning(model: Path, tmp_path: Path, workers: Workers) -> None:
    """A baseline of one's own that fails is never passed over: exit code 5, and a FAIL trial says why."""
    refused = {"distribution_policy": "pipeline_parallel"}
    session = open_session(built(model, out=tmp_path, baseline=refused, budget_s=6.0), lambda event: None, workers)
    try:
        with pytest.raises(EnvironmentFailure, match=r"Your own settings .*PIPELINE_PARALLEL") as raised:
            race_baselines(session)
        states = {tuple(t.user_attrs["config"].items()): t.state for t in session.store.study.trials}
    finally:
        session.close()
    assert raised.value.exit_code == 5
    assert states[("distribution_policy", "pipeline_parallel"),] is TrialState.FAIL


def test_the_best_hint_comes_first(model: Path, tmp_path: Path, workers: Workers) -> None:
    """Hints that are alike are one arm; the best is what every gain is relative to."""
    events: list[Event] = []
    session = open_session(built(model, out=tmp_path, budget_s=6.0), events.append, workers)
    try:
        live = race_baselines(session)
        for racer in live:
            retire_baseline(session, racer)
    finally:
        session.close()
    (baselined,) = (event for event in events if isinstance(event, Baselined))
    assert live[0].config in HINTS
    assert live[0] is session.race.baseline
    assert baselined.baseline == live[0].config.to_dict()
    assert {"performance_hint": "none"} in baselined.aliases
    assert {trial.state for trial in session.store.study.trials} == {TrialState.COMPLETE}
    assert not [event for event in events if isinstance(event, ArmEnded) and event.status == "OK"]


def test_own_settings_whose_split_does_nothing_are_warned_of(
    model: Path, tmp_path: Path, workers: Workers
) -> None:
    """On one socket the policy is another hint's alias, and the person is told that it did nothing."""
    events: list[Event] = []
    own = {"distribution_policy": "tensor_parallel"}
    request = built(model, out=tmp_path, baseline=own, cpus=(min(CPUS),), budget_s=6.0)
    session = open_session(request, events.append, workers)
    try:
        race_baselines(session)
    finally:
        session.close()
    (baselined,) = (event for event in events if isinstance(event, Baselined))
    assert own in baselined.aliases
    assert [w for w in baselined.warnings if "tensor parallelism is INERT: the policy is set but did nothing" in w]


def test_without_a_reference_there_is_nothing_to_compare(model: Path, tmp_path: Path, workers: Workers) -> None:
    """A reference that can't be computed is a failed environment, exit code 5."""
    session = open_session(built(model, out=tmp_path), lambda event: None, workers)

    def failing() -> None:
        raise ArmFailure(Status.OUT_OF_MEMORY, Phase.START, "the worker ended with signal SIGKILL")

    session.bench.record_reference = failing  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFailure, match=r"reference outputs.*SIGKILL") as raised:
        race_baselines(session)
    session.close()
    assert raised.value.exit_code == 5


def gauged(session: Session) -> NoiseMeasured:
    """What a simulated tuning says of its noise."""
    events: list[Event] = []
    session.emit = events.append
    measure_noise(session, race_baselines(session)[0])
    (found,) = (event for event in events if isinstance(event, NoiseMeasured))
    return found


def simulated(model: Path, out: Path, arm_start_s: float) -> Session:
    """A tuning of 300 s of arms that start in `arm_start_s`."""
    recording = msgspec.structs.replace(made_up(0.02), arm_start_s=arm_start_s)
    return simulated_session(recording, {}, model, out, seed=1)


def test_a_slow_start_shortens_the_baseline_against_itself(model: Path, tmp_path: Path) -> None:
    """It takes a tenth of the budget at most: fewer pairs where arms start slowly, at last none."""
    for arm_start_s, most_s in ((0.2, 16.0), (5.0, 30.0), (12.0, 30.0)):
        session = simulated(model, tmp_path, arm_start_s)
        best = race_baselines(session)[0]
        began = session.now()
        measure_noise(session, best)
        assert 0.0 < session.now() - began <= most_s
    session = simulated(model, tmp_path, 16.0)
    found = gauged(session)
    assert found.noise is None
    assert "too much of the budget" in str(found.reason)
    assert session.race.blocks.duration_s == 0.05


def test_a_failed_baseline_against_itself_is_a_warning(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without memory for two more arms, or where one fails, the tuning goes on with the usual blocks."""
    session = simulated(model, tmp_path, 0.2)
    monkeypatch.setattr(SimulatedBench, "room", 1)
    found = gauged(session)
    assert found.noise is None
    assert "memory" in str(found.reason)
    monkeypatch.setattr(SimulatedBench, "room", 6)

    def failing(config: Config, checked: bool = True) -> Arm:
        raise ArmFailure(Status.CRASHED, Phase.START, "gone")

    session = simulated(model, tmp_path, 0.2)
    monkeypatch.setattr(session.bench, "arm", failing)
    found = gauged(session)
    assert found.noise is None
    assert "gone" in str(found.reason)


def test_a_hint_that_fails_is_told(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person hears of a hint that can't be started; the others go on."""
    session = simulated(model, tmp_path, 0.2)
    events: list[Event] = []
    session.emit = events.append
    monkeypatch.setattr(session.store, "fail", lambda trial, failure: None)
    gone = ArmFailure(Status.CRASHED, Phase.COMPILE, "gone")
    start = session.bench.start
    monkeypatch.setattr(
        session.bench,
        "start",
        lambda configs, gated: [(session.bench.arm(configs[0]), gone), *start(configs[1:], gated)],
    )
    baselines = race_baselines(session)
    assert [event.reason for event in events if isinstance(event, ArmEnded)] == ["gone"]
    assert HINTS[0] not in [racer.config for racer in baselines]


def test_a_hint_that_is_clearly_slower_is_still_known(model: Path, tmp_path: Path) -> None:
    """It leaves the race, and what OpenVINO makes the same of will be its alias."""
    session = simulated_session(made_up(0.02), {HINTS[0]: 0.5}, model, tmp_path)
    assert HINTS[0] not in [racer.config for racer in race_baselines(session)]
    ((_, again),) = session.bench.start(HINTS[:1])
    assert isinstance(again, Observed)
    assert session.known[again.key] == 0
