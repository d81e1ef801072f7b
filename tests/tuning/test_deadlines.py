"""Deadlines of the stages, on recorded rounds and a simulated clock."""

from math import inf
from pathlib import Path

import msgspec
import pytest

from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring.samples.statistics import MIN_PROCESSES
from autotp.tuning import deadlines
from autotp.tuning.deadlines import judged_until, needs, search_end, shortest_budget_s
from autotp.tuning.events import BudgetTooShort, Event
from autotp.tuning.opening import Tuning
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.finals import FinalsResult
from autotp.tuning.tuner import run_stages
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import HINTS, SimulatedBench, candidates, simulated_tuning

CONFIGS = candidates(6)
STARTS_S = (0.05, 0.2, 1.0, 4.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def tuning(model: Path, out: Path, budget_s: float, start_s: float, slow_hint: float = 1.0) -> Tuning:
    """A tuning of six candidates, the first 1.3 times as fast; an arm starts in `start_s`."""
    recording = msgspec.structs.replace(made_up(0.01), arm_start_s=start_s)
    speeds = dict.fromkeys(CONFIGS, 1.0) | {CONFIGS[0]: 1.3, HINTS[0]: slow_hint}
    return simulated_tuning(recording, speeds, model, out, seed=1, budget_s=budget_s)


def ran(model: Path, out: Path, budget_s: float, start_s: float) -> tuple[FinalsResult, list[BudgetTooShort]]:
    """The result of that tuning, and what it said of its budget."""
    opened, events = tuning(model, out, budget_s, start_s), list[Event]()
    opened.session.emit = events.append
    return run_stages(opened), [event for event in events if isinstance(event, BudgetTooShort)]


@pytest.mark.parametrize("start_s", STARTS_S)
def test_the_shortest_budget_that_is_named_will_do(start_s: float, model: Path, tmp_path: Path) -> None:
    """A budget that is too short is reported; the one named instead holds a verdict, and isn't reported."""
    _, (short,) = ran(model, tmp_path, 5.0 + 10.0 * start_s, start_s)
    assert short.shortest_s > short.budget_s == 5.0 + 10.0 * start_s
    found, reported = ran(model, tmp_path, short.shortest_s, start_s)
    assert reported == []
    assert len(found.finals.waves) >= MIN_PROCESSES
    assert found.verdict.ruling in (Ruling.WIN, Ruling.TIE)


@pytest.mark.parametrize(("long_wait_s", "at_once"), [(0.0, True), (inf, False)])
def test_a_long_wait_is_told_of_after_a_block(
    long_wait_s: float, at_once: bool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where rounds take long, the budget is judged before the baselines have been raced; else then; but once."""
    monkeypatch.setattr(deadlines, "LONG_WAIT_S", long_wait_s)
    session, told = tuning(model, tmp_path, 60.0, 4.0).session, list[tuple[int, BudgetTooShort]]()

    def listen(event: Event) -> None:
        if isinstance(event, BudgetTooShort):
            told.append((session.race.rounds, event))

    session.emit = listen
    race_baselines(session)
    ((rounds, short),) = told
    assert (rounds == 1) == at_once
    assert short.start_s == pytest.approx(4.0)
    assert 0.0 < short.block_s < 1.0
    found, _ = ran(model, tmp_path, short.shortest_s, 4.0)
    assert len(found.finals.waves) >= MIN_PROCESSES


def test_a_slow_start_is_told_of_before_the_baselines_start(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the reference takes long, a look at one hint says so; the budget that is named holds a verdict."""
    monkeypatch.setattr(SimulatedBench, "record_reference", lambda bench: bench.wait(20.0))
    session, told = tuning(model, tmp_path, 60.0, 8.0).session, list[tuple[float, BudgetTooShort]]()

    def listen(event: Event) -> None:
        if isinstance(event, BudgetTooShort):
            told.append((session.budget.elapsed_s(), event))

    session.emit = listen
    race_baselines(session)
    ((elapsed_s, short),) = told
    assert 20.0 + 8.0 < elapsed_s < 20.0 + 2 * 8.0
    assert short.start_s == pytest.approx(8.0)
    found, reported = ran(model, tmp_path, short.shortest_s, 8.0)
    assert reported == []
    assert len(found.finals.waves) >= MIN_PROCESSES


def test_a_short_budget_still_finds_some_of_the_gain(model: Path, tmp_path: Path) -> None:
    """In twice the shortest budget the search is broad enough for a WIN."""
    _, (short,) = ran(model, tmp_path, 5.0, 0.2)
    found, _ = ran(model, tmp_path, 2.0 * short.shortest_s, 0.2)
    assert found.verdict.ruling is Ruling.WIN


def test_the_search_leaves_the_finals_what_a_verdict_needs(model: Path, tmp_path: Path) -> None:
    """From the least budget on, the time after the search holds six processes; with much time it is a share."""
    in_between = []
    for budget_s in (40.0, 60.0, 120.0, 600.0):
        session = tuning(model, tmp_path, budget_s, 0.2).session
        baselines = race_baselines(session)
        needed, until = needs(session, baselines.all), search_end(session, baselines.all)
        assert until.usual - session.budget.now() >= needed.search_s()
        assert until.latest >= until.usual
        assert session.budget.at(1.0) - until.latest >= needed.finals_s - 1e-9
        in_between.append(until.latest - until.usual)
    assert until.usual == until.latest == pytest.approx(session.budget.at(0.55))
    assert max(in_between) > 1.0  # where good finals take more than their share, and short ones don't


def test_a_baseline_more_needs_a_longer_budget(model: Path, tmp_path: Path) -> None:
    """Each baseline that isn't proven slower is another arm of the finals."""
    shortest = []
    for speed in (1.0, 0.5):
        session = tuning(model, tmp_path, 60.0, 0.2, slow_hint=speed).session
        shortest.append(shortest_budget_s(session, race_baselines(session).all))
    assert shortest[0] > shortest[1] * 1.1


def test_candidates_are_counted_by_their_time_to_be_judged(model: Path, tmp_path: Path) -> None:
    """None fits into no time, three into much; a candidate takes its start and its blocks."""
    session = tuning(model, tmp_path, 300.0, 1.0).session
    sound = race_baselines(session).all
    needed, now = needs(session, sound), session.budget.now()
    counts = [
        judged_until(session, sound, now + seconds)
        for seconds in (-1.0, needed.search_s() * 1.01, needed.search_s() + needed.candidate_s * 1.01, 1e9)
    ]
    assert counts == [0, 1, 2, 3]


def test_a_rare_quantile_needs_longer_finals(model: Path, tmp_path: Path) -> None:
    """The rounds that hold 500 latencies belong to what a verdict needs."""
    seconds = []
    for metric in ("throughput", "latency_p99"):
        opened = simulated_tuning(made_up(0.01), {}, model, tmp_path, objectives=(METRICS[metric],))
        seconds.append(needs(opened.session, race_baselines(opened.session).all).finals_s)
    assert seconds[1] > 5.0 * seconds[0]
