"""The baselines, on the real OpenVINO, and on recorded rounds for failures."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState

from autotp.errors import EnvironmentFailure, ModelError
from autotp.findings.proof import ProofState
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.observed import Observed, Outcome
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.space.knobs.config import Config
from autotp.tuning.events import ArmEnded, BaselinesRaced, Event
from autotp.tuning.opening import open_tuning
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import HINTS, race_baselines, retire_baseline
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model, sized_model
from tests.support.replayed import ReplayedArm
from tests.support.simulated import simulated_tuning
from tests.support.tune_requests import built

CPUS = os.sched_getaffinity(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def test_own_settings_that_openvino_refuses_end_the_tuning(model: Path, tmp_path: Path, workers: Workers) -> None:
    """If the user's own baseline fails, the tuning stops: exit code 5, and a FAIL trial says why."""
    refused = {"distribution_policy": "pipeline_parallel"}
    request = built(model, out=tmp_path, baseline=refused, budget_s=6.0)
    tuning, study = open_tuning(request, lambda event: None, workers)
    try:
        with pytest.raises(EnvironmentFailure, match=r"Your own settings .*: OpenVINO can't compile") as raised:
            race_baselines(tuning.session)
        states = {tuple(t.user_attrs["config"].items()): t.state for t in study.trials}
    finally:
        tuning.session.close()
    assert raised.value.exit_code == 5
    assert states[("distribution_policy", "pipeline_parallel"),] is TrialState.FAIL


def test_the_best_hint_is_what_gains_are_relative_to(model: Path, tmp_path: Path, workers: Workers) -> None:
    """Hints that are alike are one arm; the best comes first, and is the only one that stays in the race."""
    events: list[Event] = []
    tuning, study = open_tuning(built(model, out=tmp_path, budget_s=6.0), events.append, workers)
    try:
        baselines = race_baselines(tuning.session)
        retire_baseline(tuning.session, baselines.best)
    finally:
        tuning.session.close()
    (baselined,) = (event for event in events if isinstance(event, BaselinesRaced))
    assert baselines.best.config in HINTS
    assert baselines.all[0] is baselines.best is tuning.session.race.baseline
    assert all(racer.key not in tuning.session.race.live for racer in baselines.all)
    assert baselined.baseline == baselines.best.config.to_dict()
    assert {"performance_hint": "none"} in baselined.aliases
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert not [event for event in events if isinstance(event, ArmEnded) and event.status == "OK"]


def test_own_settings_whose_split_does_nothing_are_warned_of(
    model: Path, tmp_path: Path, workers: Workers
) -> None:
    """On one socket the policy is an alias of a hint, and the user is warned that it did nothing."""
    events: list[Event] = []
    own = {"distribution_policy": "tensor_parallel"}
    request = built(model, out=tmp_path, baseline=own, cpus=(min(CPUS),), budget_s=6.0)
    tuning, _ = open_tuning(request, events.append, workers)
    try:
        race_baselines(tuning.session)
    finally:
        tuning.session.close()
    (baselined,) = (event for event in events if isinstance(event, BaselinesRaced))
    assert own in baselined.aliases
    assert [(config, proof.state) for config, proof in baselined.unproven] == [(own, ProofState.INERT)]


def test_without_a_reference_there_is_nothing_to_compare(
    model: Path, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that can't be computed is a failed environment, exit code 5."""
    tuning, _ = open_tuning(built(model, out=tmp_path), lambda event: None, workers)

    def failing() -> None:
        raise ArmFailure(Status.OUT_OF_MEMORY, Phase.COMPILE, "the worker ended with signal SIGKILL")

    monkeypatch.setattr(tuning.session.bench, "record_reference", failing)
    with pytest.raises(EnvironmentFailure, match=r"reference outputs.*SIGKILL") as raised:
        race_baselines(tuning.session)
    tuning.session.close()
    assert raised.value.exit_code == 5


def test_a_model_that_cannot_run_on_its_inputs_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """An input that is a size: exit code 2 with OpenVINO's reason, the phase, and how to give real inputs."""
    request = built(sized_model(tmp_path), out=tmp_path)
    with pytest.raises(ModelError, match=r"the inference failed: .*sized.*data='inputs.npz'") as raised:
        race_baselines(open_tuning(request, lambda event: None, workers)[0].session)
    assert raised.value.exit_code == 2
    assert not (tmp_path / "study.db").exists()  # so that the same call with real inputs finds no study


def test_hints_that_cannot_run_on_the_inputs_are_bad_input(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sample that only many requests get may fail where the reference didn't; other failures differ."""
    session = simulated(model, tmp_path)
    for phase, kind in ((Phase.WARM_UP, ModelError), (Phase.COMPILE, EnvironmentFailure)):
        failure = ArmFailure(Status.CRASHED, phase, "refused", input_error=phase is Phase.WARM_UP)
        outcomes = [(session.bench.arm(config), failure) for config in HINTS]
        monkeypatch.setattr(session.bench, "start", lambda configs, gated, outcomes=outcomes: outcomes)
        with pytest.raises(kind, match=r"hints failed here: .*refused"):
            race_baselines(session)


def simulated(model: Path, out: Path) -> Session:
    """A tuning of 300 s on quiet rounds, without candidates."""
    return simulated_tuning(made_up(0.02), {}, model, out, seed=1).session


def test_a_hint_that_fails_is_reported(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint that can't be started is reported; the others go on."""
    session = simulated(model, tmp_path)
    events: list[Event] = []
    session.emit = events.append
    gone = ArmFailure(Status.CRASHED, Phase.COMPILE, "gone")
    start = session.bench.start
    monkeypatch.setattr(
        session.bench,
        "start",
        lambda configs, gated: [(session.bench.arm(configs[0]), gone), *start(configs[1:], gated)],
    )
    baselines = race_baselines(session)
    assert [event.reason for event in events if isinstance(event, ArmEnded)] == ["gone"]
    assert HINTS[0] not in [racer.config for racer in baselines.all]
    assert baselines.unmeasured == ((HINTS[0], str(gone)),)


def test_a_hint_that_fails_later_is_not_measured_either(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails in its first blocks, or twice in the search, is named as well."""
    session = simulated(model, tmp_path)
    gone = ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
    start, block = session.bench.start, ReplayedArm.block
    frail: list[Arm] = []

    def starting(configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        started = start(configs, gated)
        frail.extend(arm for config, (arm, _) in zip(configs, started, strict=True) if config == HINTS[0])
        return started

    def failing(arm: ReplayedArm, run: Run) -> Block:
        if arm in frail:
            raise gone
        return block(arm, run)

    monkeypatch.setattr(session.bench, "start", starting)
    monkeypatch.setattr(ReplayedArm, "block", failing)
    assert race_baselines(session).unmeasured == ((HINTS[0], str(gone)),)


def test_a_hint_that_is_clearly_slower_is_still_known(model: Path, tmp_path: Path) -> None:
    """It leaves the race, and later arms that OpenVINO treats the same are its aliases."""
    session = simulated_tuning(made_up(0.02), {HINTS[0]: 0.5}, model, tmp_path).session
    assert HINTS[0] not in [racer.config for racer in race_baselines(session).all]
    ((_, again),) = session.bench.start(HINTS[:1])
    assert isinstance(again, Observed)
    assert session.known[again.key] == 0
