"""The play-off: who races again when the search has time left."""

from math import inf
from pathlib import Path

import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.tuning.deadlines import SearchEnd
from autotp.tuning.events import ArmEnded, Event, PlayOffBegan
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.finals import MAX_FINALISTS, _choose_finalists
from autotp.tuning.stages.playoff import play_off
from autotp.tuning.stages.search import search
from autotp.tuning.study.study import Role
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.replayed import ReplayedArm
from tests.support.simulated import SimulatedBench, candidates, candidates_in, simulated_tuning, trials_of

CONFIGS = candidates(6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def searched(
    model: Path, out: Path, fastest: float = 1.0, noise: float = 0.05
) -> tuple[Session, list[Racer], Baselines]:
    """A session whose search is over, its survivors and baselines; candidate 0 is `fastest` times as fast."""
    speeds = dict.fromkeys(CONFIGS, 1.0) | {CONFIGS[0]: fastest}
    tuning = simulated_tuning(made_up(noise), speeds, model, out, seed=1)
    baselines = race_baselines(tuning.session)
    found = candidates_in(tuning, baselines)
    search(tuning.session, found, baselines, 1.01, SearchEnd(inf, inf))
    return tuning.session, found.survivors, baselines


def test_equals_race_on_until_the_time_is_over(model: Path, tmp_path: Path) -> None:
    """Equal survivors all get about the same number of rounds, in new trials, until the end."""
    session, survivors, baselines = searched(model, tmp_path)
    before = len(trials_of(session))
    until = session.budget.now() + 60.0
    again = play_off(session, survivors, baselines, until)
    assert again == survivors
    assert until - 3.0 < session.budget.now() < until + 3.0
    rounds = [len(racer.blocks) for racer in again]
    assert min(rounds) >= 60
    assert max(rounds) - min(rounds) <= 60
    begun = trials_of(session)[before:]
    assert {trial.role for trial in begun} == {Role.SEARCH}
    assert not any(racer.key in session.race.live for racer in again)


def test_a_clear_leader_needs_no_play_off(model: Path, tmp_path: Path) -> None:
    """Where all but the best are known to be behind, the finals get the time."""
    session, survivors, baselines = searched(model, tmp_path, fastest=1.5, noise=0.01)
    began = session.budget.now()
    play_off(session, survivors, baselines, began + 60.0)
    assert session.budget.now() == began


def test_few_enough_go_to_the_finals_as_they_are(model: Path, tmp_path: Path) -> None:
    """If all survivors fit into the finals, none races again."""
    session, survivors, baselines = searched(model, tmp_path)
    began = session.budget.now()
    assert play_off(session, survivors[:MAX_FINALISTS], baselines, began + 60.0) == survivors[:MAX_FINALISTS]
    assert session.budget.now() == began


def test_a_survivor_that_fails_is_out(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm that fails in a play-off isn't a survivor any more; its trial says how it failed."""
    session, survivors, baselines = searched(model, tmp_path)
    sound = [racer.arm for racer in session.race.live.values()]
    frail: list[Arm] = []
    run = ReplayedArm.block

    def fragile(arm: ReplayedArm, how: Run) -> Block:
        if not frail and arm not in sound:
            frail.append(arm)
        if arm in frail:
            raise ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
        return run(arm, how)

    monkeypatch.setattr(ReplayedArm, "block", fragile)
    again = play_off(session, survivors, baselines, session.budget.now() + 30.0)
    failed = [trial.failure.message for trial in trials_of(session) if trial.failure]
    assert failed == ["gone"]
    assert len(again) == len(survivors) - 1
    assert all(racer.failure is None for racer in again)


def test_it_is_announced_once_and_each_arm_that_races_again_is_reported(model: Path, tmp_path: Path) -> None:
    """Events report that a play-off begins, and what each of its trials found."""
    session, survivors, baselines = searched(model, tmp_path)
    events: list[Event] = []
    session.emit = events.append
    before = len(trials_of(session))
    play_off(session, survivors, baselines, session.budget.now() + 30.0)
    begun = range(before, len(trials_of(session)))
    assert [type(event) for event in events].count(PlayOffBegan) == 1
    reported = {event.trial for event in events if isinstance(event, ArmEnded) and event.rounds}
    assert reported <= set(begun)
    assert len(reported) >= len(begun) - 3  # the last may have started as the time ran out


def test_what_breaks_a_constraint_takes_no_place(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While others keep the constraints, an arm that breaks them neither races again nor enters the finals."""
    session, survivors, baselines = searched(model, tmp_path)
    breaking = survivors[0]
    before = len(breaking.blocks)
    monkeypatch.setattr(session, "is_feasible", lambda racer: racer is not breaking)
    again = play_off(session, survivors, baselines, session.budget.now() + 30.0)
    assert len(breaking.blocks) == before
    finalists, _ = _choose_finalists(session, again, baselines)
    assert finalists
    assert breaking not in finalists
    monkeypatch.setattr(session, "is_feasible", lambda racer: False)
    assert _choose_finalists(session, again, baselines)[0]


def test_without_memory_nobody_races_again(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no arm fits into the memory that is left, the survivors stay as they are."""
    session, survivors, baselines = searched(model, tmp_path)
    monkeypatch.setattr(SimulatedBench, "room", 0)
    assert play_off(session, survivors, baselines, session.budget.now() + 30.0) == survivors
