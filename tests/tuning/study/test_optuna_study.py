"""The study in Optuna's storage: trials, roles, attributes, heartbeats."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from autotp.errors import EnvironmentFailure, StudyError
from autotp.findings.interval import Interval
from autotp.findings.proof import Proof, ProofState
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.samples.block import Block
from autotp.space.aliases.effective import Effective
from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import load_space
from autotp.topology.probe import probe
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import decode_blocks
from autotp.tuning.study.optuna_study import OptunaStudy
from autotp.tuning.study.study import PastTrial, Role
from tests.support.interrupts import press_ctrl_c
from tests.support.trees import Described, build
from tests.support.tune_requests import built

IDENTITY = {"model": "a", "objectives": ["throughput"]}
HINT = Config.of({"performance_hint": "latency"})
F32 = Config.of({"inference_precision_hint": "f32"})
METRICS = {
    "throughput_per_s": 100.0,
    "latency_p50_s": 0.01,
    "latency_p90_s": 0.02,
    "latency_p99_s": 0.03,
    "memory_bytes": 4096,
}
BLOCK = Block(count=2, elapsed_s=0.5, latencies_s=(0.25, 0.125), memory_bytes=4096)
OBSERVED = Observed(
    effective=Effective(streams=1, threads=2, sub_streams=2, split_nodes=0, requests=1, precision="f32"),
    masks=((0, 1),),
    proof=Proof(state=ProofState.ACTIVE, sub_streams=2, threads=2, threads_without=1),
    output_error=OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True),
    properties={"NUM_STREAMS": "1"},
)


@pytest.fixture
def bound(tmp_path: Path) -> BoundSpace:
    """The default space on two sockets."""
    return bind(load_space("default"), probe(build(Described(sockets=2), tmp_path / "machine")))


def request_in(folder: Path, **given: Any) -> TuneRequest:
    """A request whose study lies in `folder`."""
    model = folder / "m.xml"
    model.write_text("<net/>")
    return built(model, out=folder, **given)


@pytest.fixture
def study(tmp_path: Path, bound: BoundSpace) -> OptunaStudy:
    """A new study with one constraint."""
    return OptunaStudy.open(
        request_in(tmp_path, constraints=["latency_p99<20ms"]), IDENTITY, SpaceProposer(bound, 0)
    )


def trials_in(folder: Path) -> list[FrozenTrial]:
    """The trials of the study in `folder`, read anew from the file."""
    return optuna.load_study(study_name="m-throughput", storage=f"sqlite:///{folder / 'study.db'}").trials


def test_every_role_carries_its_config(study: OptunaStudy, tmp_path: Path) -> None:
    """Trials of baselines, search and finals have different roles, and each has its `config`, as knob to value."""
    study.begin(Role.BASELINE, HINT)
    study.begin_known(F32)
    _, proposed = study.propose()
    study.begin(Role.FINAL, F32)
    found = [(trial.user_attrs["role"], trial.user_attrs["config"]) for trial in trials_in(tmp_path)]
    assert found == [
        ("baseline", {"performance_hint": "latency"}),
        ("search", {"inference_precision_hint": "f32"}),
        ("search", proposed.to_dict()),
        ("final", {"inference_precision_hint": "f32"}),
    ]


def test_trials_are_running_while_raced(study: OptunaStudy, tmp_path: Path) -> None:
    """A trial that has begun is RUNNING."""
    study.begin(Role.BASELINE, HINT)
    assert [trial.state for trial in trials_in(tmp_path)] == [TrialState.RUNNING]


def test_tpe_sees_the_search_alone(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """All trials of the search have Optuna's parameters; baselines and finals have none."""
    study.begin(Role.BASELINE, HINT)
    study.begin_known(F32)
    study.propose()
    study.begin(Role.FINAL, F32)
    baseline, recipe, proposed, final = trials_in(tmp_path)
    assert recipe.params == SpaceProposer(bound, 0).parameters(F32)
    assert proposed.params
    assert (baseline.params, final.params) == ({}, {})


def test_a_measured_trial_is_complete_with_all_that_was_measured(study: OptunaStudy, tmp_path: Path) -> None:
    """Value, status, metrics, rounds, raw blocks, what was observed, and the constraint's violation are stored."""
    trial = study.begin(Role.SEARCH, F32)
    study.describe_observed(trial, OBSERVED)
    study.complete(trial, METRICS, [(0, 0, BLOCK), (0, 1, BLOCK)])
    (found,) = trials_in(tmp_path)
    kept = found.user_attrs
    assert (found.state, found.values) == (TrialState.COMPLETE, [100.0])
    assert (kept["status"], kept["metrics"], kept["rounds"]) == ("OK", METRICS, 2)
    assert decode_blocks(kept["blocks:0"]) == [(0, 0, BLOCK), (0, 1, BLOCK)]
    assert kept["proof"] == {"state": "active", "sub_streams": 2, "threads": 2, "threads_without": 1}
    assert kept["effective"]["sub_streams"] == 2
    assert kept["affinity"] == [[0, 1]]
    assert found.constraints == {"latency_p99<20ms": pytest.approx(0.5)}


def test_values_follow_the_objectives(tmp_path: Path, bound: BoundSpace) -> None:
    """With several objectives a trial has one value for each, in their order, and the study their directions."""
    request = request_in(tmp_path, objectives=["latency_p50", "throughput"])
    study = OptunaStudy.open(request, IDENTITY, SpaceProposer(bound, 0))
    study.complete(study.begin(Role.SEARCH, F32), METRICS, [(0, 0, BLOCK)])
    assert study.study.trials[0].values == [0.01, 100.0]
    assert [direction.name for direction in study.study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.study.metric_names == ["latency_p50", "throughput"]


def test_a_failure_is_data(study: OptunaStudy, tmp_path: Path) -> None:
    """A failed trial is FAIL without a value, with status, phase, message and the log's tail."""
    failure = ArmFailure(Status.CRASHED, Phase.BLOCK, "the worker ended with signal SIGSEGV", "last words")
    study.fail(study.begin(Role.SEARCH, F32), failure)
    (found,) = trials_in(tmp_path)
    assert (found.state, found.values) == (TrialState.FAIL, None)
    kept = {key: found.user_attrs[key] for key in ("status", "phase", "message", "log_tail")}
    assert kept == {
        "status": "CRASHED",
        "phase": "block",
        "message": "the worker ended with signal SIGSEGV",
        "log_tail": "last words",
    }


def test_an_alias_takes_its_twins_values(study: OptunaStudy, tmp_path: Path) -> None:
    """An alias of a COMPLETE trial gets that one's values, an alias of any other fails; both name the twin."""
    done = study.begin(Role.SEARCH, F32)
    study.complete(done, METRICS, [(0, 0, BLOCK)])
    running = study.begin(Role.BASELINE, HINT)
    study.alias(study.begin(Role.SEARCH, HINT), of=done.number)
    study.alias(study.begin(Role.SEARCH, HINT), of=running.number)
    *_, like_done, like_running = trials_in(tmp_path)
    assert (like_done.values, like_done.user_attrs["alias_of"]) == ([100.0], done.number)
    assert (like_running.state, like_running.user_attrs["alias_of"]) == (TrialState.FAIL, running.number)


def test_an_interrupted_tuning_leaves_nothing_running(study: OptunaStudy, tmp_path: Path) -> None:
    """`abandon` fails what still runs, says why, and leaves finished trials as they are."""
    study.complete(study.begin(Role.BASELINE, HINT), METRICS, [(0, 0, BLOCK)])
    study.begin(Role.SEARCH, F32)
    study.abandon()
    done, left = trials_in(tmp_path)
    assert done.state is TrialState.COMPLETE
    assert (left.state, left.user_attrs["status"]) == (TrialState.FAIL, "INTERRUPTED")


def test_ctrl_c_during_a_write_leaves_the_study_whole(
    study: OptunaStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt waits until a trial is written; the remaining trials are abandoned as usual."""
    measured = study.begin(Role.SEARCH, F32)
    study.begin(Role.SEARCH, HINT)
    tell = study.study.tell

    def interrupted(*given: Any, **named: Any) -> FrozenTrial:
        press_ctrl_c()
        return tell(*given, **named)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(study.study, "tell", interrupted)
        study.complete(measured, METRICS, [(0, 0, BLOCK)])
    study.abandon()
    assert [trial.state for trial in trials_in(tmp_path)] == [TrialState.COMPLETE, TrialState.FAIL]


def test_attributes_are_plain_json(study: OptunaStudy, tmp_path: Path) -> None:
    """Attributes are JSON values, never JSON inside strings; an infinite bound becomes null."""
    trial = study.begin(Role.SEARCH, F32)
    study.describe_observed(trial, OBSERVED)
    study.describe(trial, gain=Interval(median=1.0, low=0.0, high=float("inf")))
    study.complete(trial, METRICS, [(0, 0, BLOCK)])
    (found,) = trials_in(tmp_path)
    json.dumps(found.user_attrs, allow_nan=False)
    assert found.user_attrs["gain"] == {"median": 1.0, "low": 0.0, "high": None, "confidence": 0.95}
    texts = [value for value in found.user_attrs.values() if isinstance(value, str)]
    assert not [text for text in texts if text.startswith(("{", "["))]


def test_finished_returns_the_complete_trials_of_a_role(study: OptunaStudy) -> None:
    """Running and failed trials, and those of other roles, aren't finished ones."""
    done = study.begin(Role.SEARCH, F32)
    study.complete(done, METRICS, [(0, 0, BLOCK)])
    study.complete(study.begin(Role.FINAL, F32), METRICS, [(0, 0, BLOCK)])
    study.begin(Role.SEARCH, HINT)
    study.fail(study.begin(Role.SEARCH, HINT), ArmFailure(Status.CRASHED, Phase.START, "gone"))
    assert [trial.number for trial in study.finished(Role.SEARCH)] == [done.number]


def test_past_trials_have_their_configs_and_values(study: OptunaStudy) -> None:
    """Past trials that were measured have values, failed ones have none; interrupted ones are neither."""
    study.complete(study.begin(Role.SEARCH, F32), METRICS, [(0, 0, BLOCK)])
    study.fail(study.begin(Role.SEARCH, HINT), ArmFailure(Status.CRASHED, Phase.START, "gone"))
    study.fail(study.begin(Role.BASELINE, HINT), ArmFailure(Status.CRASHED, Phase.START, "gone"))
    study.begin(Role.SEARCH, HINT)
    study.abandon()
    assert study.finished(Role.SEARCH) == [PastTrial(0, F32, (100.0,))]
    assert study.failed() == [PastTrial(1, HINT)]
    assert study.trial_count == 4


def test_trials_of_a_process_that_died_are_failed_at_the_next_opening(
    study: OptunaStudy, tmp_path: Path, bound: BoundSpace
) -> None:
    """Every trial has a heartbeat from its beginning; one that is old is FAIL once the study is resumed."""
    study.begin(Role.BASELINE, HINT)
    study.propose()
    with sqlite3.connect(tmp_path / "study.db") as database:
        aged = database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
        assert aged.rowcount == 2
    OptunaStudy.open(request_in(tmp_path, resume=True), IDENTITY, SpaceProposer(bound, 0))
    assert [trial.state for trial in trials_in(tmp_path)] == [TrialState.FAIL, TrialState.FAIL]


def test_trials_that_are_alive_stay_running(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """A trial whose heartbeat is fresh is left alone when another process opens the study."""
    study.begin(Role.BASELINE, HINT)
    OptunaStudy.open(request_in(tmp_path, resume=True), IDENTITY, SpaceProposer(bound, 0))
    assert [trial.state for trial in trials_in(tmp_path)] == [TrialState.RUNNING]


def test_a_beat_renews_the_heartbeat(study: OptunaStudy, tmp_path: Path) -> None:
    """`beat` records anew that running trials are alive."""
    study.begin(Role.BASELINE, HINT)
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = datetime('now', '-1 hour')")
    study.heartbeat()
    with sqlite3.connect(tmp_path / "study.db") as database:
        (age_s,) = database.execute(
            "SELECT strftime('%s', 'now') - strftime('%s', heartbeat) FROM trial_heartbeats"
        ).fetchone()
    assert age_s < 60


def test_resuming_another_tuning_is_refused(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """A study of another model says what differs and what to do."""
    with pytest.raises(StudyError, match=r"differs in its model.*fresh.*study"):
        OptunaStudy.open(request_in(tmp_path, resume=True), {**IDENTITY, "model": "b"}, SpaceProposer(bound, 0))


def test_a_study_made_meanwhile_is_refused(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """A study that another host has just made is an error that names both flags."""
    with pytest.raises(StudyError, match=r"resume.*fresh"):
        OptunaStudy.open(request_in(tmp_path), IDENTITY, SpaceProposer(bound, 0))


def test_resuming_keeps_the_trials(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """`resume` continues the numbering of trials; without a study it creates one."""
    study.complete(study.begin(Role.SEARCH, F32), METRICS, [(0, 0, BLOCK)])
    again = OptunaStudy.open(request_in(tmp_path, resume=True), IDENTITY, SpaceProposer(bound, 0))
    assert again.begin(Role.SEARCH, F32).number == 1
    fresh_folder = tmp_path / "other"
    fresh_folder.mkdir()
    other = OptunaStudy.open(request_in(fresh_folder, resume=True), IDENTITY, SpaceProposer(bound, 0))
    assert other.study.trials == []


def test_fresh_empties_the_folders_own_storage(study: OptunaStudy, tmp_path: Path, bound: BoundSpace) -> None:
    """`study.db` holds one study: `fresh` replaces whatever it holds, under another name too."""
    study.begin(Role.BASELINE, HINT)
    fresh = OptunaStudy.open(request_in(tmp_path, fresh=True, study="other"), IDENTITY, SpaceProposer(bound, 0))
    assert optuna.get_all_study_names(f"sqlite:///{tmp_path / 'study.db'}") == ["other"]
    assert fresh.study.trials == []


def test_fresh_leaves_others_in_a_shared_storage(tmp_path: Path, bound: BoundSpace) -> None:
    """In a storage given by URL, `fresh` deletes only the study of that name."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    for name in ("one", "two"):
        OptunaStudy.open(request_in(tmp_path, storage=url, study=name), IDENTITY, SpaceProposer(bound, 0))
    OptunaStudy.open(request_in(tmp_path, storage=url, study="one", fresh=True), IDENTITY, SpaceProposer(bound, 0))
    assert sorted(optuna.get_all_study_names(url)) == ["one", "two"]


def test_a_storage_that_goes_away_is_a_failed_environment(study: OptunaStudy, tmp_path: Path) -> None:
    """When the database is lost under a running tuning, the error is exit code 5 and names the storage."""
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP TABLE study_user_attributes")
    with pytest.raises(EnvironmentFailure, match=r"study\.db") as raised:
        study.note(tuned={})
    assert raised.value.exit_code == 5


def test_a_lost_storage_is_an_error_when_trials_are_read_too(study: OptunaStudy, tmp_path: Path) -> None:
    """Reading the trials of earlier calls is exit code 5, too, where the database is lost."""
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP TABLE trials")
    for read in (study.failed, lambda: study.finished(Role.SEARCH), lambda: study.trial_count):
        with pytest.raises(EnvironmentFailure, match=r"study\.db"):
            read()
