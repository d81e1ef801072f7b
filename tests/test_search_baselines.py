"""The baselines, raced on the real OpenVINO."""

import os
from pathlib import Path

import pytest
from optuna.trial import TrialState

from autotp.errors import EnvironmentFailure
from autotp.measure import ArmFailure, Phase, Status, Workers
from autotp.search.baselines import HINTS, race_baselines, retire_baseline
from autotp.search.events import ArmEnded, Baselined, Event
from autotp.search.session import open_session
from tests.models import matmul_model
from tests.test_search_request import built

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
