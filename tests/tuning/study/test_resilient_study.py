"""A study whose storage fails while it is used."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import TrialState

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.samples.block import Block
from autotp.space.bound_space import bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import load_space
from autotp.topology.probe import probe
from autotp.tuning.budget import StoppableClock
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.study import resilient_study, sqlite_file
from autotp.tuning.study.interrupts import interrupts_deferred
from autotp.tuning.study.optuna_study import OptunaStudy
from autotp.tuning.study.resilient_study import ResilientStudy
from autotp.tuning.study.study import Role, Trial
from tests.support.interrupts import press_ctrl_c
from tests.support.trees import Described, build
from tests.support.tune_requests import built

HINT = Config.of({"performance_hint": "latency"})
F32 = Config.of({"inference_precision_hint": "f32"})
BLOCK = Block(count=2, elapsed_s=0.5, latencies_s=(0.25, 0.125), memory_bytes=4096)


@pytest.fixture
def proposer(tmp_path: Path) -> SpaceProposer:
    """Over the default space on two sockets."""
    return SpaceProposer(bind(load_space("default"), probe(build(Described(sockets=2), tmp_path / "machine"))), 0)


@pytest.fixture
def recorded(tmp_path: Path, proposer: SpaceProposer) -> OptunaStudy:
    """A study in Optuna that proved something in an earlier call."""
    (tmp_path / "m.xml").write_text("<net/>")
    study = OptunaStudy.open(built(tmp_path / "m.xml", out=tmp_path), {}, proposer)
    study.note(tuned={"earlier": 1})
    return study


@pytest.fixture
def study(recorded: OptunaStudy, proposer: SpaceProposer) -> ResilientStudy:
    """The same, made resilient."""
    return ResilientStudy(recorded, proposer, StoppableClock())


def lose(folder: Path) -> None:
    """Make the storage useless."""
    with sqlite3.connect(folder / "study.db") as database:
        database.execute("DROP TABLE trial_user_attributes")
        database.execute("DROP TABLE study_user_attributes")


def test_everything_is_recorded_while_there_is_a_storage(study: ResilientStudy, recorded: OptunaStudy) -> None:
    """Trials and notes are Optuna's, and nothing is lost."""
    trial = study.begin(Role.BASELINE, HINT)
    study.fail(trial, ArmFailure(Status.CRASHED, Phase.START, "gone"))
    study.note(spent_s=1)
    assert recorded.study.trials[0].user_attrs["message"] == "gone"
    assert (recorded.study.user_attrs["spent_s"], study.trial_count, study.lost) == (1, 1, None)


def test_without_a_storage_a_tuning_goes_on(
    study: ResilientStudy, proposer: SpaceProposer, tmp_path: Path
) -> None:
    """No method fails: trials are numbered on, proposals are configs not taken yet, and the error is kept."""
    before = study.begin(Role.BASELINE, HINT)
    lose(tmp_path)
    study.describe(before, dropped=True)
    assert isinstance(study.lost, EnvironmentFailure)
    assert "study.db" in str(study.lost)
    configs = []
    for _ in range(3):
        trial, config = study.propose()
        assert proposer.holds(config)
        proposer.take(config)
        configs.append(config)
        study.complete(trial, {}, [(0, 0, BLOCK)])
    assert len(set(configs)) == 3
    assert [study.begin_known(F32).number, study.begin(Role.FINAL, F32).number] == [4, 5]
    study.heartbeat()
    study.abandon()
    assert (study.finished(Role.SEARCH), study.failed(), study.trial_count) == ([], [], 6)


def test_what_was_noted_is_still_known(study: ResilientStudy, tmp_path: Path) -> None:
    """What an earlier call proved, and what this one noted after the loss, can be read all the same."""
    lose(tmp_path)
    study.heartbeat()
    assert study.noted("tuned") == {"earlier": 1}
    study.note(tuned={"now": 2})
    assert study.lost is not None
    assert (study.noted("tuned"), study.noted("unheard of")) == ({"now": 2}, None)


def test_waiting_for_the_storage_does_not_use_up_the_budget(
    recorded: OptunaStudy, proposer: SpaceProposer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that took 15 s sets the clock back by that; one that took a moment doesn't."""
    times = iter([100.0, 115.0, 200.0, 200.5])
    monkeypatch.setattr(resilient_study, "monotonic", lambda: next(times))
    set_back: list[float] = []
    clock = StoppableClock()
    monkeypatch.setattr(clock, "set_back", set_back.append)
    study = ResilientStudy(recorded, proposer, clock)
    study.heartbeat()
    study.heartbeat()
    assert set_back == [15.0]


def test_an_interrupted_wait_does_not_begin_again(
    study: ResilientStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C during a wait, what is left to write is left out, so that the process can end."""
    monkeypatch.setattr(sqlite_file, "sleep", lambda _seconds: press_ctrl_c())
    with closing(sqlite3.connect(tmp_path / "study.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(KeyboardInterrupt):
            study.begin(Role.BASELINE, HINT)
        study.abandon()
    assert study.lost is not None


def test_ctrl_c_during_a_write_loses_nothing(
    study: ResilientStudy, recorded: OptunaStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing had to be waited for, the study goes on to be recorded after an interrupt."""
    begin = recorded.begin

    def interrupted(role: Role, config: Config) -> Trial:
        with interrupts_deferred():
            press_ctrl_c()
            return begin(role, config)

    monkeypatch.setattr(recorded, "begin", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study.begin(Role.BASELINE, HINT)
    study.abandon()
    assert study.lost is None
    assert [trial.state for trial in recorded.study.trials] == [TrialState.FAIL]
