"""The tuning itself, on the real OpenVINO: too short a budget, an interrupt, what is left behind."""

import os
import tempfile
from pathlib import Path

import msgspec
import optuna
import psutil
import pytest
from optuna.trial import TrialState

import autotp
from autotp.deploy import read_tuned
from autotp.errors import InputError
from autotp.search import ArmEnded, Baselined, Began, Event, Ruled
from tests.models import matmul_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def workers() -> list[psutil.Process]:
    """The processes that this one started and that still run."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def test_too_short_a_budget_ships_the_hint_as_unknown(model: Path, tmp_path: Path) -> None:
    """Half a second suffices for no candidate: the verdict is `unknown`, with figures of the hint."""
    events: list[Event] = []
    study = autotp.tune(model, budget_s=0.5, out=tmp_path, listener=events.append)
    tuned = read_tuned(tmp_path / "tuned.yaml")
    result = tuned.profiles[0].result
    assert result.verdict == "unknown"
    assert result.metrics["throughput_per_s"] > 0
    assert list(tuned.profiles[0].config) == ["performance_hint"]
    assert "tuned" not in study.user_attrs
    assert [type(event) for event in events if not isinstance(event, ArmEnded)][:2] == [Began, Baselined]
    assert isinstance(events[-1], Ruled)
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert workers() == []


@pytest.mark.parametrize("moment", [Began, ArmEnded])
def test_an_interrupt_leaves_a_study_and_a_file(moment: type[Event], model: Path, tmp_path: Path) -> None:
    """Ctrl-C at any time: `unknown` in tuned.yaml, no trial and no process left running, no temporary files."""
    before = set(Path(tempfile.gettempdir()).glob("autotp-*"))

    def interrupt(event: Event) -> None:
        if isinstance(event, moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        autotp.tune(model, budget_s=60, trials=1, out=tmp_path, study="s", listener=interrupt)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "unknown"
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert workers() == []
    assert set(Path(tempfile.gettempdir()).glob("autotp-*")) <= before


def test_bad_input_is_an_error_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    """From Python, too, what can't be used is an InputError before anything is written."""
    with pytest.raises(InputError, match="no objective 'speed'"):
        autotp.tune(model, objectives="speed", out=tmp_path / "out")
    with pytest.raises(InputError, match="isn't of the form"):
        autotp.tune(model, constraints="fast please", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_cannot_tell_keeps_what_an_earlier_one_proved(model: Path, tmp_path: Path) -> None:
    """A resumed study whose last call ends in UNKNOWN still ships the earlier verdict, and says so."""
    study = autotp.tune(model, budget_s=0.5, out=tmp_path)
    unknown = read_tuned(tmp_path / "tuned.yaml")
    (profile,) = unknown.profiles
    proven = msgspec.structs.replace(profile, result=msgspec.structs.replace(profile.result, verdict="win"))
    study.set_user_attr("tuned", msgspec.to_builtins(msgspec.structs.replace(unknown, profiles=(proven,))))
    autotp.tune(model, budget_s=0.5, out=tmp_path, resume=True)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "win"
    assert "an earlier call proved" in (tmp_path / "tuned.yaml").read_text().splitlines()[0]


def test_a_constraint_is_kept_by_what_ships_or_nothing_is_claimed(model: Path, tmp_path: Path) -> None:
    """A bound that nothing can keep ends in UNKNOWN, never in a WIN or TIE for what breaks it."""
    autotp.tune(model, budget_s=8, trials=2, constraints="latency_p99<1us", out=tmp_path)
    result = read_tuned(tmp_path / "tuned.yaml").profiles[0].result
    assert result.verdict == "unknown"
