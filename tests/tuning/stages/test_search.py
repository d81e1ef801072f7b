"""The search: when arms end, what happens to those that fail, and when it stops."""

from pathlib import Path

import pytest

from autotp.errors import EnvironmentFailure
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.tuning.deadlines import SearchEnd
from autotp.tuning.events import ArmEnded, ChanceLeft, Event
from autotp.tuning.race.race import ROUNDS_TO_SCREEN
from autotp.tuning.race.racer import Baselines
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.candidates import Candidates
from autotp.tuning.stages.search import search
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.replayed import ReplayedArm
from tests.support.simulated import SimulatedStudy, candidates, candidates_in, simulated_tuning, trials_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def simulated(model: Path, out: Path, count: int = 6, speed: float = 1.0) -> tuple[Session, Candidates, Baselines]:
    """A session whose baselines have been raced, and so many candidates that are so many times as fast."""
    tuning = simulated_tuning(made_up(0.02), dict.fromkeys(candidates(count), speed), model, out, seed=1)
    baselines = race_baselines(tuning.session)
    return tuning.session, candidates_in(tuning, baselines), baselines


def run(session: Session, found: Candidates, baselines: Baselines, until: float) -> None:
    """Search until then."""
    search(session, found, baselines, 1.01, SearchEnd(until, until))


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
    session, found, baselines = simulated(model, tmp_path)
    slow_down(monkeypatch, after=3, by_s=1.4)
    lengths: list[int] = []
    session.emit = lambda event: lengths.append(event.rounds) if isinstance(event, ArmEnded) else None
    run(session, found, baselines, session.budget.now() + 12.0)
    assert 0 < min(lengths) < session.race.rounds_to_judge
    assert len(found.survivors) == 3
    assert min(len(racer.blocks) for racer in found.survivors) >= session.race.rounds_to_judge


def test_without_a_judged_arm_those_of_a_few_rounds_are_survivors(model: Path, tmp_path: Path) -> None:
    """A search cut off before anything was judged still has what it measured."""
    session, found, baselines = simulated(model, tmp_path)
    run(session, found, baselines, session.budget.now() + 1.0)
    assert len(found.survivors) == 1
    assert max(len(racer.blocks) for racer in found.survivors) < session.race.rounds_to_judge


def test_a_start_that_takes_too_long_still_leaves_something_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the time is over once the first candidates have started, they race for a few rounds all the same."""
    session, found, baselines = simulated(model, tmp_path)
    slow_down(monkeypatch, after=0, by_s=5.0)
    run(session, found, baselines, session.budget.now() + 1.0)
    assert found.measured
    assert found.nothing_measured is None
    assert min(len(racer.blocks) for racer in found.survivors) == ROUNDS_TO_SCREEN


def test_a_baseline_that_dies_is_started_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported, the baseline races on in a second process, and arms are still judged against it."""
    session, found, baselines = simulated(model, tmp_path)
    events: list[Event] = []
    session.emit = events.append
    best = baselines.best
    crash(monkeypatch, [best.arm], ArmFailure(Status.CRASHED, Phase.BLOCK, "gone"))
    run(session, found, baselines, session.budget.now() + 30.0)
    reported = [event for event in events if isinstance(event, ArmEnded) and event.status == "CRASHED"]
    assert [(event.trial, event.reason) for event in reported] == [
        (best.trial.number, "gone; this baseline was started again")
    ]
    assert session.race.live[best.key] is best
    assert baselines.all[0] is best
    assert best.failure is None
    assert found.survivors
    assert all(racer.blocks.keys() & best.blocks.keys() for racer in found.survivors)


def test_a_best_baseline_that_fails_for_good_ends_the_tuning(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it can't be started again nothing can be compared: exit code 5, and its trial fails."""
    session, found, baselines = simulated(model, tmp_path)
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
        run(session, found, baselines, session.budget.now() + 30.0)
    assert raised.value.exit_code == 5
    assert failed(session) == [best.trial.number]


def test_only_the_best_baseline_races_beside_candidates(model: Path, tmp_path: Path) -> None:
    """Another one that may be as good was raced long enough to say so; the finals measure it again."""
    session, found, baselines = simulated(model, tmp_path)
    (other,) = baselines.others
    raced = len(other.blocks)
    run(session, found, baselines, session.budget.now() + 30.0)
    assert raced == len(other.blocks) >= session.race.rounds_to_judge
    assert baselines.all == (baselines.best, other)
    assert list(session.race.live) == [baselines.best.key]
    assert found.survivors


@pytest.mark.parametrize(("speed", "goes_on"), [(1.5, True), (1.0, False)])
def test_a_search_that_found_much_may_take_time_of_the_finals(
    speed: float, goes_on: bool, model: Path, tmp_path: Path
) -> None:
    """What is far ahead needs a short proof, so the search goes on to its latest end; else to the usual."""
    session, found, baselines = simulated(model, tmp_path, count=40, speed=speed)
    now = session.budget.now()
    end = SearchEnd(now + 10.0, now + 20.0)
    until = search(session, found, baselines, 1.01, end)
    assert until == (end.latest if goes_on else end.usual)
    assert (session.budget.now() > end.usual + 3.0) == goes_on
    assert session.budget.now() <= until + 3.0


def test_a_search_ends_when_nothing_better_is_likely(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below 5 % it stops, and says how likely it was at each look; what it found is judged as ever."""
    chances = iter((0.4, 0.01))
    monkeypatch.setattr(SimulatedStudy, "chance_of_better", lambda *_: next(chances))
    session, found, baselines = simulated(model, tmp_path, count=12)
    events: list[Event] = []
    session.emit = events.append
    run(session, found, baselines, session.budget.at(1.0))
    looks = [event for event in events if isinstance(event, ChanceLeft)]
    assert [look.chance for look in looks] == [0.4, 0.01]
    assert looks[-1].measured <= found.measured < 12  # those that were racing are measured, too
    assert found.survivors
