"""The search: what it tries first, and what happens to arms that end early or fail."""

from pathlib import Path
from typing import Any

import pytest

from autotp.deploy.tuned import write_tuned
from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.space.knobs.config import Config
from autotp.tuning.events import ArmEnded, ChanceLeft, Event
from autotp.tuning.opening import Tuning, first_event, open_tuning
from autotp.tuning.race.racer import Baselines
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.search import PAST_LEADERS, Search, first_configs
from autotp.tuning.study.study import Role
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.replayed import ReplayedArm
from tests.support.simulated import SimulatedStudy, candidates, simulated_tuning, trials_of
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


def simulated(model: Path, out: Path, count: int = 6) -> tuple[Session, Search, Baselines]:
    """A session whose baselines have been raced, and its search among so many candidates of the same speed."""
    tuning = simulated_tuning(made_up(0.02), dict.fromkeys(candidates(count), 1.0), model, out, seed=1)
    baselines = race_baselines(tuning.session)
    first = first_configs(tuning.session, tuning.proposer, tuning.space.topology, ())
    search = Search(tuning.session, tuning.proposer, baselines, first, 1.01)
    return tuning.session, search, baselines


def crash(monkeypatch: pytest.MonkeyPatch, arms: list[Arm], failure: ArmFailure) -> None:
    """Make every further block of `arms` fail."""
    run = ReplayedArm.block

    def fragile(arm: ReplayedArm, how: Run) -> Block:
        if arm in arms:
            raise failure
        return run(arm, how)

    monkeypatch.setattr(ReplayedArm, "block", fragile)


def slow_down(monkeypatch: pytest.MonkeyPatch, after: int, by_s: float) -> None:
    """Make every arm after so many more start `by_s` later."""
    warm_up, started = ReplayedArm.warm_up, 0

    def slow(arm: ReplayedArm) -> None:
        nonlocal started
        started += 1
        warm_up(arm)
        arm._clock.now_s += by_s if started > after else 0.0

    monkeypatch.setattr(ReplayedArm, "warm_up", slow)


def failed(session: Session) -> list[int]:
    """Return the numbers of the trials that failed."""
    return [number for number, trial in enumerate(trials_of(session)) if trial.failure]


def test_an_arm_cut_off_early_is_no_survivor_beside_judged_ones(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If late arms start so slowly that the time ends after a round or two, only the others may be finalists."""
    session, search, _ = simulated(model, tmp_path)
    slow_down(monkeypatch, after=3, by_s=1.4)
    lengths: list[int] = []
    session.emit = lambda event: lengths.append(event.rounds) if isinstance(event, ArmEnded) else None
    search.run(session.budget.now() + 13.3)
    assert 0 < min(lengths) < session.race.rounds_to_judge
    assert len(search.survivors) == 3
    assert min(len(racer.blocks) for racer in search.survivors) >= session.race.rounds_to_judge


def test_without_a_judged_arm_those_of_a_few_rounds_are_survivors(model: Path, tmp_path: Path) -> None:
    """A search cut off before anything was judged still has what it measured."""
    session, search, _ = simulated(model, tmp_path)
    search.run(session.budget.now() + 1.2)
    assert len(search.survivors) == 1
    assert max(len(racer.blocks) for racer in search.survivors) < session.race.rounds_to_judge


def test_a_baseline_that_dies_is_started_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, the baseline races on in a second process, and arms are still judged against it."""
    session, search, baselines = simulated(model, tmp_path)
    events: list[Event] = []
    session.emit = events.append
    best = baselines.best
    crash(monkeypatch, [best.arm], ArmFailure(Status.CRASHED, Phase.BLOCK, "gone"))
    search.run(session.budget.now() + 30.0)
    reported = [event for event in events if isinstance(event, ArmEnded) and event.status == "CRASHED"]
    assert [(event.trial, event.reason) for event in reported] == [
        (best.trial.number, "gone; this baseline was started again")
    ]
    assert session.race.live[best.key] is best
    assert baselines.sound[0] is best
    assert best.failure is None
    assert search.survivors
    assert all(racer.blocks.keys() & best.blocks.keys() for racer in search.survivors)


def test_a_best_baseline_that_fails_for_good_ends_the_tuning(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it can't be started again nothing can be compared: exit code 5, and its trial fails."""
    session, search, baselines = simulated(model, tmp_path)
    gone = ArmFailure(Status.OUT_OF_MEMORY, Phase.BLOCK, "killed")
    best = baselines.best
    crash(monkeypatch, [best.arm], gone)
    start = session.bench.start
    monkeypatch.setattr(
        session.bench,
        "start",
        lambda configs, gated=True: [(arm, found if gated else gone) for arm, found in start(configs, gated)],
    )
    with pytest.raises(EnvironmentFailure, match=r"best baseline .* failed again.*killed") as raised:
        search.run(session.budget.now() + 30.0)
    assert raised.value.exit_code == 5
    assert failed(session) == [best.trial.number]


def test_another_baseline_that_fails_for_good_is_out(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second baseline that fails twice is reported and taken out; the search goes on."""
    session, search, baselines = simulated(model, tmp_path)
    (other,) = baselines.others
    events: list[Event] = []
    session.emit = events.append
    other.is_second = True
    crash(monkeypatch, [other.arm], ArmFailure(Status.CRASHED, Phase.BLOCK, "gone"))
    search.run(session.budget.now() + 30.0)
    assert baselines.sound == (baselines.best,)
    assert failed(session) == [other.trial.number]
    assert [event.reason for event in events if isinstance(event, ArmEnded) and event.status == "CRASHED"] == [
        "gone"
    ]
    assert search.survivors


def test_a_search_ends_when_nothing_better_is_likely(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 5 % it stops, and says how likely it was at each look; what it found is judged as ever."""
    chances = iter((0.4, 0.01))
    monkeypatch.setattr(SimulatedStudy, "chance_of_better", lambda *_: next(chances))
    session, search, _ = simulated(model, tmp_path, count=12)
    events: list[Event] = []
    session.emit = events.append
    search.run(session.budget.at(1.0))
    looks = [event for event in events if isinstance(event, ChanceLeft)]
    assert [look.chance for look in looks] == [0.4, 0.01]
    assert looks[-1].measured == search.measured < 12
    assert search.survivors


def test_why_nothing_was_measured_is_known(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too short a time, only failures, and a space of nothing but hints are different reasons."""
    session, short, _ = simulated(model, tmp_path / "short")
    short.run(session.budget.now())
    words = "no candidate could be measured within the budget: give at least "
    assert str(short.nothing_measured).startswith(words)
    short.run(session.budget.now() + 5.0)
    assert short.nothing_measured is None
    session, empty, _ = simulated(model, tmp_path / "empty", count=0)
    empty.run(session.budget.now() + 5.0)
    assert empty.nothing_measured == "the space holds nothing besides OpenVINO's hints and what was tried before"
    session, failing, _ = simulated(model, tmp_path / "failing")
    gone = ArmFailure(Status.CRASHED, Phase.START, "gone")
    monkeypatch.setattr(session.bench, "start", lambda configs: [(session.bench.arm(c), gone) for c in configs])
    failing.run(session.budget.now() + 30.0)
    assert failing.nothing_measured == f"every candidate failed; the first: {gone}"
