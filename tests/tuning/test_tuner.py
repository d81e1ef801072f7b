"""A whole tuning on the real OpenVINO: a short budget, interrupts, and what they leave behind."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import optuna
import psutil
import pytest
from optuna.trial import TrialState

import autotp
from autotp.deploy.tuned import Tuned, read_tuned, write_tuned
from autotp.errors import EnvironmentFailure, InputError, StudyError
from autotp.findings.ruling import Ruling
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.verdict import Verdict
from autotp.space.knobs.config import Config
from autotp.tuning import conclusion, tuner
from autotp.tuning.budget import StoppableClock
from autotp.tuning.events import ArmEnded, BaselinesRaced, Event, FinalsBegan, TuningBegan, VerdictReached
from autotp.tuning.opening import Tuning
from autotp.tuning.study.resilient_study import ResilientStudy
from autotp.tuning.study.study import Role, Trial
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import ListedProposer, SimulatedStudy, candidates, simulated_tuning
from tests.support.tuned_files import profile
from tests.support.tuned_files import tuned as tuned_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def workers() -> list[psutil.Process]:
    """Return the running child processes."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


def test_too_short_a_budget_ships_the_hint_as_unknown(model: Path, tmp_path: Path) -> None:
    """With half a second no candidate can be measured: the verdict is `unknown`, with the hint's figures."""
    events: list[Event] = []
    study = autotp.tune(model, budget_s=0.5, out=tmp_path, listener=events.append)
    tuned = read_tuned(tmp_path / "tuned.yaml")
    result = tuned.profiles[0].result
    assert result.verdict == "unknown"
    assert result.metrics["throughput_per_s"] > 0
    assert list(tuned.profiles[0].config) == ["performance_hint"]
    assert "tuned" not in study.user_attrs
    assert [type(event) for event in events if not isinstance(event, ArmEnded)][:2] == [
        TuningBegan,
        BaselinesRaced,
    ]
    assert isinstance(events[-1], VerdictReached)
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert workers() == []


@pytest.mark.parametrize("moment", [TuningBegan, ArmEnded])
def test_an_interrupt_leaves_a_study_and_a_file(
    moment: type[Event], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at any time: `unknown` in tuned.yaml, no trial and no process left running, no temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def interrupt(event: Event) -> None:
        if isinstance(event, moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        autotp.tune(model, budget_s=15, trials=1, out=tmp_path, study="s", listener=interrupt)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "unknown"
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path / 'study.db'}")
    assert not study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))
    assert workers() == []
    assert list(temporary.iterdir()) == []


def test_bad_input_is_an_error_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    """Called from Python, bad input is an InputError before anything is written."""
    with pytest.raises(InputError, match="no objective 'speed'"):
        autotp.tune(model, objectives="speed", out=tmp_path / "out")
    with pytest.raises(InputError, match="isn't of the form"):
        autotp.tune(model, constraints="fast please", out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def tune_and_prove(model: Path, out: Path) -> None:
    """Run a short tuning, then record in its study that it proved a win."""
    study = autotp.tune(model, budget_s=0.5, out=out)
    unknown = read_tuned(out / "tuned.yaml")
    (profile,) = unknown.profiles
    proven = msgspec.structs.replace(profile, result=msgspec.structs.replace(profile.result, verdict=Ruling.WIN))
    study.set_user_attr("tuned", msgspec.to_builtins(msgspec.structs.replace(unknown, profiles=(proven,))))


def test_a_call_that_cannot_tell_keeps_what_an_earlier_one_proved(model: Path, tmp_path: Path) -> None:
    """If the last call of a resumed study ends in UNKNOWN, the earlier result still ships, and this is noted."""
    tune_and_prove(model, tmp_path)
    autotp.tune(model, budget_s=0.5, out=tmp_path, resume=True)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "win"
    assert "an earlier call proved" in (tmp_path / "tuned.yaml").read_text().splitlines()[0]


def test_a_constraint_is_kept_by_what_ships_or_nothing_is_claimed(model: Path, tmp_path: Path) -> None:
    """A bound that nothing can keep ends in UNKNOWN, never in a WIN or TIE for what breaks it."""
    autotp.tune(model, budget_s=3, trials=2, constraints="latency_p99<1us", out=tmp_path)
    result = read_tuned(tmp_path / "tuned.yaml").profiles[0].result
    assert result.verdict == "unknown"


def test_another_constraint_does_not_inherit_what_was_proven(model: Path, tmp_path: Path) -> None:
    """An earlier result without a constraint doesn't ship if this call has one and ends in UNKNOWN."""
    tune_and_prove(model, tmp_path)
    autotp.tune(model, budget_s=0.5, out=tmp_path, resume=True, constraints="latency_p99<20s")
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "unknown"


def test_an_existing_study_is_refused_before_anybody_waits(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad input is an error at once, even while something else measures on this machine."""
    autotp.tune(model, budget_s=0.5, out=tmp_path)

    def waiting(*given: object) -> None:
        raise AssertionError("waited for the lock first")

    monkeypatch.setattr(tuner, "machine_lock", waiting)
    with pytest.raises(StudyError, match=r"resume.*fresh"):
        autotp.tune(model, budget_s=0.5, out=tmp_path)


def simulated(model: Path, out: Path, speed: float = 1.2, budget_s: float = 60.0) -> Tuning:
    """A tuning on quiet rounds whose only candidate is `speed` times as fast."""
    return simulated_tuning(made_up(0.01), {candidates(1)[0]: speed}, model, out, seed=1, budget_s=budget_s)


def test_where_every_candidate_fails_nothing_is_claimed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a candidate no finals run; the hint ships as `unknown`, with the first failure as the reason."""
    tuning = simulated(model, tmp_path)
    session = tuning.session
    gone = ArmFailure(Status.CRASHED, Phase.START, "gone")
    start = session.bench.start
    monkeypatch.setattr(
        session.bench,
        "start",
        lambda configs, gated=True: [(arm, gone if gated else found) for arm, found in start(configs)],
    )
    events: list[Event] = []
    session.emit = events.append
    result = tuner.run_stages(tuning)
    assert result.verdict == Verdict(Ruling.UNKNOWN, reason=f"every candidate failed; the first: {gone}")
    assert result.finals.waves == []
    assert not [event for event in events if isinstance(event, FinalsBegan)]
    shipped = read_tuned(tmp_path / "tuned.yaml").profiles[0].result
    assert shipped.verdict == "unknown"
    assert shipped.metrics["throughput_per_s"] > 0


def test_what_is_proven_is_in_the_study_before_the_file(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt while tuned.yaml is written doesn't turn a WIN into `unknown`: the WIN is still written."""
    tuning = simulated(model, tmp_path)
    written: list[str] = []

    def interrupted(path: Path, tuned: Tuned, comment: str) -> None:
        written.append(tuned.profiles[0].result.verdict)
        if len(written) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(conclusion, "write_tuned", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuner.run_stages(tuning)
    assert written == ["win", "win"]


class LostStudy(SimulatedStudy):
    """A study whose storage is gone once the finals begin."""

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial, but not one of the finals."""
        if role is Role.FINAL:
            raise EnvironmentFailure("The storage went away.")
        return super().begin(role, config)


def test_what_is_proven_is_written_without_a_storage_too(model: Path, tmp_path: Path) -> None:
    """A storage that is lost during the finals costs the record alone: tuned.yaml holds the WIN."""
    tuning = simulated(model, tmp_path)
    assert isinstance(tuning.proposer, ListedProposer)
    tuning.session.study = ResilientStudy(LostStudy(tuning.proposer), tuning.proposer, StoppableClock())
    result = tuner.run_stages(tuning)
    assert (result.verdict.ruling, tuning.session.study.lost is not None) == (Ruling.WIN, True)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "win"


@pytest.mark.parametrize("lose", [shutil.rmtree, lambda out: (out / "study.db").write_text("x" * 300_000)])
def test_a_storage_that_is_lost_leaves_the_file_and_exit_code_5(
    lose: Callable[[Path], object], model: Path, tmp_path: Path
) -> None:
    """If study.db is overwritten or its folder deleted, the tuning goes on to its verdict, then fails."""
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, BaselinesRaced):
            lose(tmp_path / "out")

    with pytest.raises(EnvironmentFailure, match=r"study\.db.*tuned\.yaml") as raised:
        autotp.tune(model, budget_s=0.5, out=tmp_path / "out", listener=listen)
    assert raised.value.exit_code == 5
    assert isinstance(events[-1], VerdictReached)
    assert read_tuned(tmp_path / "out" / "tuned.yaml").profiles[0].result.metrics["throughput_per_s"] > 0


def test_a_file_that_cannot_be_written_does_not_hide_the_result(model: Path, tmp_path: Path) -> None:
    """If tuned.yaml can't be written at the end, the error says what it would hold; exit code 5."""
    tuning = simulated(model, tmp_path)
    (tmp_path / "tuned.yaml").mkdir()
    with pytest.raises(EnvironmentFailure, match=r"tuned\.yaml.*WIN.*num_streams=1"):
        tuner.run_stages(tuning)


def test_an_interrupt_writes_the_file_before_it_tidies_the_study(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that disappears meanwhile is an error, but tuned.yaml has the result."""
    tuning = simulated(model, tmp_path)

    def gone(study: SimulatedStudy) -> None:
        raise EnvironmentFailure("The storage went away.")

    def interrupt(event: Event) -> None:
        if isinstance(event, ArmEnded):
            raise KeyboardInterrupt

    monkeypatch.setattr(SimulatedStudy, "abandon", gone)
    tuning.session.emit = interrupt
    with pytest.raises(EnvironmentFailure):
        tuner.run_stages(tuning)
    assert read_tuned(tmp_path / "tuned.yaml").profiles[0].result.verdict == "unknown"


def proven_before(out: Path, verdict: Ruling = Ruling.WIN) -> bytes:
    """Write a tuned.yaml with this verdict, of another study, into `out`, and return its bytes."""
    shipped = profile(result=msgspec.structs.replace(profile().result, verdict=verdict))
    write_tuned(out / "tuned.yaml", tuned_of(shipped), "What an earlier study proved.")
    return (out / "tuned.yaml").read_bytes()


def ended(tuning: Tuning) -> VerdictReached:
    """Run the stages of `tuning` and return its last event."""
    events: list[Event] = []
    tuning.session.emit = events.append
    tuner.run_stages(tuning)
    assert isinstance(events[-1], VerdictReached)
    return events[-1]


@pytest.mark.parametrize("before", [Ruling.WIN, Ruling.TIE])
def test_what_another_study_proved_stays_where_this_one_cannot_tell(
    model: Path, tmp_path: Path, before: Ruling
) -> None:
    """The file isn't touched; the last event says what this call found and what the file holds."""
    written = proven_before(tmp_path, before)
    last = ended(simulated(model, tmp_path, budget_s=0.5))
    assert (tmp_path / "tuned.yaml").read_bytes() == written
    assert last.tuned.profiles[0].result.verdict is Ruling.UNKNOWN
    assert last.kept == read_tuned(tmp_path / "tuned.yaml")


@pytest.mark.parametrize("speed", [1.2, 1.0])
def test_a_new_win_or_tie_replaces_it(model: Path, tmp_path: Path, speed: float) -> None:
    """As soon as something is proven, that ships."""
    proven_before(tmp_path)
    last = ended(simulated(model, tmp_path, speed))
    assert last.kept is None
    assert last.tuned.profiles[0].result.verdict is not Ruling.UNKNOWN
    assert read_tuned(tmp_path / "tuned.yaml") == last.tuned


def test_an_inconclusive_result_is_replaced_by_a_newer_one(model: Path, tmp_path: Path) -> None:
    """Of two that prove nothing, the newer one is in the file."""
    proven_before(tmp_path, Ruling.UNKNOWN)
    last = ended(simulated(model, tmp_path, budget_s=0.5))
    assert last.kept is None
    assert read_tuned(tmp_path / "tuned.yaml") == last.tuned


def test_an_interrupt_leaves_what_another_study_proved(model: Path, tmp_path: Path) -> None:
    """Ctrl-C in a study that has proven nothing yet doesn't touch the file."""
    written = proven_before(tmp_path)
    tuning = simulated(model, tmp_path)

    def interrupt(event: Event) -> None:
        if isinstance(event, ArmEnded):
            raise KeyboardInterrupt

    tuning.session.emit = interrupt
    with pytest.raises(KeyboardInterrupt):
        tuner.run_stages(tuning)
    assert (tmp_path / "tuned.yaml").read_bytes() == written


def test_replacing_a_study_keeps_what_it_proved_until_more_is(model: Path, tmp_path: Path) -> None:
    """`fresh` and later `resume`, both inconclusive, leave the file as it was."""
    autotp.tune(model, budget_s=0.5, out=tmp_path)
    written = proven_before(tmp_path)
    autotp.tune(model, budget_s=0.5, out=tmp_path, fresh=True)
    autotp.tune(model, budget_s=0.5, out=tmp_path, resume=True)
    assert (tmp_path / "tuned.yaml").read_bytes() == written
