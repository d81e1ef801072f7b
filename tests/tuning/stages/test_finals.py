"""The finals: each arm's figures, and verdicts under a constraint."""

from math import inf
from pathlib import Path
from typing import Any

import pytest

from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.rounds.waves import AA, RoundCounts, WaveSchedule, plan_waves
from autotp.measuring.samples.block import Block
from autotp.measuring.verdict import Measured
from autotp.measuring.workload.workload import Run
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.tuning.constraints import parse_constraint
from autotp.tuning.deadlines import rounds_wanted
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.stages.finals import FinalsResult, _decide, final_metrics
from autotp.tuning.study.study import Trial
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.pretended_arms import PLAIN, Pretended, finals_of, nothing
from tests.support.simulated import simulated_tuning

THROUGHPUT = METRICS["throughput"]
OBSERVED = Observed(effective=Effective(), masks=None, proof=None, output_error=None, properties={})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def test_a_finalists_objective_is_the_baselines_times_its_gain() -> None:
    """The value is the baseline's pooled figure times the paired gain; the other metrics are its own."""
    finals = finals_of({"hint": 0.02, "fast": 0.01})
    finals.run(WaveSchedule(6, 10), inf, inf, nothing)
    found = final_metrics((THROUGHPUT,), finals, "fast", "hint")
    hint = final_metrics((THROUGHPUT,), finals, "hint", "hint")
    assert found["throughput_per_s"] == pytest.approx(2 * hint["throughput_per_s"], rel=0.02)
    assert found["latency_p50_s"] == finals.metrics("fast")["latency_p50_s"]
    assert hint == finals.metrics("hint")


def test_without_the_baseline_an_arm_has_its_own_figures() -> None:
    """If the baseline failed in the finals, the others' measurements stay usable."""
    finals = finals_of({"hint": 0.02, "fast": 0.01}, frail=("hint", 3))
    finals.run(WaveSchedule(6, 10), inf, inf, nothing)
    assert final_metrics((THROUGHPUT,), finals, "fast", "hint") == finals.metrics("fast")


class Eight(Pretended):
    """An arm whose blocks hold eight latencies."""

    def block(self, run: Run) -> Block:
        """Return a block of eight inferences."""
        return Block(count=8, elapsed_s=0.08, latencies_s=(0.01,) * 8, memory_bytes=1)


def test_a_p99_gets_the_rounds_that_its_samples_need() -> None:
    """Blocks of eight latencies need about 70 rounds for 500 samples; other metrics need the usual number."""
    race = Race((METRICS["latency_p99"],), 0, PLAIN, longest_block_s=1.0)
    eight = racer("eight", Eight(0.01))
    race.enter(eight)
    race.choose_baseline(eight)
    race.run(1, inf)
    wanted = rounds_wanted(race, METRICS["latency_p99"], [eight])
    assert wanted.enough * 8 >= 500
    assert rounds_wanted(race, THROUGHPUT, [eight]) == RoundCounts()
    long, short = (plan_waves(s, 3, 2.0, 0.05, wanted) for s in (500.0, 80.0))
    assert long.rounds * 8 >= 500
    assert short.processes == 6


def racer(key: str, arm: Pretended) -> Racer:
    """A racer without observations and processes."""
    return Racer(key, Config(), OBSERVED, arm, Trial(0), {})


def ruled(
    model: Path, latencies_s: dict[str, float], constraint: str, spread: float = 0.0, **given: Any
) -> tuple[FinalsResult, Baselines]:
    """Return the result of finals of hints and a candidate in six processes each, and the baselines."""
    finals = finals_of(latencies_s)
    for step in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0):
        processes = {key: latency_s * (1.0 + spread * step) for key, latency_s in latencies_s.items()}
        twin = {AA: processes["hint"]}
        finals.waves.append({key: [block(latency_s)] for key, latency_s in (processes | twin).items()})
    bounds = (parse_constraint(constraint, tuple(METRICS.values())),)
    session = simulated_tuning(made_up(0.0), {}, model, model.parent, constraints=bounds, **given).session
    racers = {key: racer(key, Pretended(latency_s)) for key, latency_s in latencies_s.items()}
    others = [one for key, one in racers.items() if key not in ("hint", "candidate")]
    baselines = Baselines(racers["hint"], tuple(others))
    measured = Measured(len(finals.waves), finals.fewest_samples)
    return _decide(session, finals, [racers["candidate"]], baselines, measured), baselines


def block(latency_s: float) -> Block:
    """A block of a hundred inferences, one after the other; twice as fast takes twice the memory."""
    memory_bytes = round(1e7 / latency_s)
    return Block(count=100, elapsed_s=100 * latency_s, latencies_s=(latency_s,) * 100, memory_bytes=memory_bytes)


def test_a_baseline_on_the_edge_of_a_bound_must_be_beaten(model: Path) -> None:
    """A hint whose processes lie about the bound isn't proven to break it: a slower candidate doesn't win."""
    result, _ = ruled(model, {"hint": 0.02, "candidate": 0.03}, "latency_p50>20.1ms", spread=0.02)
    assert result.verdict.ruling is Ruling.UNKNOWN
    assert "may keep" in result.verdict.reason


def test_a_baseline_that_is_proven_to_break_a_bound_need_not_be_beaten(model: Path) -> None:
    """If the latency must be at least twice the hint's, the slower candidate that keeps that bound wins."""
    result, _ = ruled(model, {"hint": 0.01, "candidate": 0.02}, "latency_p50>15ms")
    assert result.verdict.ruling is Ruling.WIN
    assert result.verdict.winner is not None
    assert result.verdict.winner.gain("hint").high < 1.0


def test_a_tie_ships_a_baseline_that_keeps_the_constraint(model: Path) -> None:
    """The best hint breaks the bound, the other one doesn't, and the candidate beats neither: the other ships."""
    result, baselines = ruled(model, {"hint": 0.01, "other": 0.02, "candidate": 0.025}, "latency_p50>15ms")
    assert result.verdict.ruling is Ruling.TIE
    assert result.fallback is baselines.others[0]
    kept, baselines = ruled(model, {"hint": 0.01, "other": 0.02, "candidate": 0.025}, "latency_p50<1s")
    assert (kept.verdict.ruling, kept.fallback) == (Ruling.TIE, baselines.best)


@pytest.mark.parametrize(("bound", "ruling"), [("memory<1.5GB", Ruling.TIE), ("memory<3GB", Ruling.WIN)])
def test_memory_can_be_bounded(bound: str, ruling: Ruling, model: Path) -> None:
    """A candidate twice as fast as the hint that takes 2 GB wins only if the bound allows that much."""
    result, _ = ruled(model, {"hint": 0.01, "candidate": 0.005}, bound)
    assert result.verdict.ruling is ruling


def test_what_may_break_a_bound_does_not_win(model: Path) -> None:
    """A faster candidate whose figure keeps the bound, but whose interval doesn't."""
    fast = {"hint": 0.01, "candidate": 0.005}
    assert ruled(model, fast, "memory<2.02GB")[0].verdict.ruling is Ruling.WIN
    assert ruled(model, fast, "memory<2.02GB", spread=0.02)[0].verdict.ruling is Ruling.TIE


def test_what_is_proven_in_another_objective_has_enough_samples_for_it(model: Path) -> None:
    """Twice as fast in all of them; a process has 100 latencies, and a proof in p99 needs 500."""
    objectives = tuple(METRICS[name] for name in ("throughput", "latency_p50", "latency_p99"))
    fast = {"hint": 0.02, "candidate": 0.01}
    result, _ = ruled(model, fast, "memory<2GB", objectives=objectives)
    assert result.proven == {"candidate": objectives[:2]}
    beyond, _ = ruled(model, fast, "memory<0.9GB", objectives=objectives)
    assert beyond.proven == {}


def test_nothing_that_keeps_the_constraint_is_unknown(model: Path) -> None:
    """If all arms break the bound nothing wins, and the reason says so and which arm is the nearest to it."""
    result, baselines = ruled(model, {"hint": 0.01, "candidate": 0.005}, "latency_p50>15ms")
    assert result.verdict.ruling is Ruling.UNKNOWN
    assert "nothing that was measured keeps" in result.verdict.reason
    assert "latency_p50 10 ms (latency_p50>15ms)" in result.verdict.reason
    assert result.fallback is baselines.best
