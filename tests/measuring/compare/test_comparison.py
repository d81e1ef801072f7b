"""Comparisons: the verdict on pretended arms, and a whole one on real workers."""

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.errors import EnvironmentFailure, InputError
from autotp.findings.metric import METRICS, Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.compare.comparison import (
    A,
    B,
    Comparison,
    Contender,
    SideResult,
    _conclude,
    _judge_outputs,
    compare_arms,
)
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.bench import WorkerBench
from autotp.measuring.jobs.job import REFERENCE_PROPERTIES
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.waves import AA, Waves, WaveSchedule
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.pretended_arms import PLAIN, Pretended

EXACT = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)


def waves_of(
    a_s: float, b_s: float, *, processes: int = 6, failing: bool = False, metric: Metric = METRICS["throughput"]
) -> Waves:
    """Waves in which A and B have these latencies, with 1 % of noise."""

    def maker(latency_s: float, fails_at: int | None = None) -> Callable[[], Arm]:
        return lambda: Pretended(latency_s, 0.01, fails_at=fails_at)

    makers = {A: maker(a_s, 3 if failing else None), B: maker(b_s)}
    waves = Waves(makers, B, metric, PLAIN, seed=0)
    waves.run(WaveSchedule(processes, 20), inf, inf, lambda: None)
    return waves


def sides(a: str | None = None, b: str | None = None) -> dict[str, SideResult]:
    """Both sides, with what is wrong with their outputs."""
    return {
        key: SideResult(effective=Effective(), metrics={}, output_error=EXACT, wrong=w)
        for key, w in ((A, a), (B, b))
    }


@pytest.mark.parametrize("metric", [METRICS["throughput"], METRICS["latency_p50"]])
@pytest.mark.parametrize(
    ("a_s", "b_s", "verdict", "ratio"),
    [
        (0.010, 0.011, Ruling.WIN, 1.1),
        (0.011, 0.010, Ruling.LOSE, 1 / 1.1),
        (0.010, 0.010, Ruling.TIE, 1.0),
    ],
)
def test_the_verdict_is_that_of_a_over_b(
    a_s: float, b_s: float, verdict: Ruling, ratio: float, metric: Metric
) -> None:
    """Faster is a ratio above 1, whichever way the metric goes; a proof in either direction, else a tie."""
    found = _conclude(waves_of(a_s, b_s, metric=metric), metric, sides(), ClosedLoop())
    assert (found.verdict, found.reason) == (verdict, "")
    assert found.ratio == pytest.approx(ratio, abs=0.02)
    assert found.low <= found.ratio <= found.high
    assert (found.processes, found.rounds) == (6, 120)
    assert found.noise_floor is not None
    assert found.a.metrics["throughput_per_s"] == pytest.approx(1 / a_s, rel=0.05)


@pytest.mark.parametrize(
    ("a", "b", "verdict", "words"),
    [
        ("too far", None, Ruling.LOSE, "A's outputs are wrong, so it can't win: too far"),
        ("too far", "NaN", Ruling.UNKNOWN, "the outputs of both are wrong, so neither can win: too far"),
        (None, "too far", Ruling.WIN, ""),
    ],
)
def test_wrong_outputs_cannot_win(a: str | None, b: str | None, verdict: Ruling, words: str) -> None:
    """However much faster A is, with wrong outputs it's a loss; B's don't keep a proven A from winning."""
    found = _conclude(waves_of(0.010, 0.012), METRICS["throughput"], sides(a, b), ClosedLoop())
    assert (found.verdict, found.reason) == (verdict, words)


def entered(a: Mapping[str, Any] = {}) -> dict[str, Contender]:
    """Both contenders, A with these settings, which aren't started."""
    return {key: Contender(config=Config.of(settings), plans=()) for key, settings in ((A, a), (B, {}))}


@pytest.mark.parametrize("held", [False, True])
def test_less_exact_settings_must_say_the_same_tokens(
    held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the hints differ in as many tokens, a config as exact as they may; a less exact one may not."""
    error = msgspec.structs.replace(EXACT, derived={"tokens": 0.1})
    job = job_for(language_model(tmp_path), "tokens_per_s", prompt_tokens=8)
    bench = WorkerBench(job, Predictor(job.topology), Workers())
    hint = Observed(effective=Effective(), masks=None, proof=None, output_error=error, properties={})
    monkeypatch.setattr(bench, "start", lambda configs, gated: [(Pretended(0.01, 0.0), hint) for _ in configs])
    contenders = entered({"kv_cache_precision": "u4"} if held else {})
    differing = {key: msgspec.structs.replace(side, output_error=error) for key, side in sides().items()}
    judged = _judge_outputs(bench, contenders, differing)
    assert (judged[A].wrong is not None, judged[B].wrong) == (held, None)


def test_hints_that_cannot_run_are_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are needed only where a side would be rejected without them."""
    job = job_for(matmul_model(tmp_path), "throughput")
    bench = WorkerBench(job, Predictor(job.topology), Workers())
    failure = ArmFailure(Status.CRASHED, Phase.COMPILE, "it crashed")
    monkeypatch.setattr(bench, "start", lambda configs, gated: [(Pretended(0.01, 0.0), failure) for _ in configs])
    assert _judge_outputs(bench, entered(), sides()) == sides()
    broken = msgspec.structs.replace(EXACT, finite=False, misplaced={"y": 0.1})
    infinite = {key: msgspec.structs.replace(side, output_error=broken) for key, side in sides().items()}
    with pytest.raises(EnvironmentFailure, match=r"hint \(performance_hint=latency\) can't be measured"):
        _judge_outputs(bench, entered(), infinite)


def test_a_slower_a_only_ties_with_wrong_outputs() -> None:
    """B is faster, but wrong: it can't win."""
    found = _conclude(waves_of(0.012, 0.010), METRICS["throughput"], sides(b="too far"), ClosedLoop())
    assert (found.verdict, found.reason) == (Ruling.TIE, "B's outputs are wrong, so it can't win: too far")


def test_too_little_proves_nothing() -> None:
    """Fewer than six processes, a side that fails, too few samples for a p99: UNKNOWN, with the reason."""
    few = _conclude(waves_of(0.010, 0.012, processes=5), METRICS["throughput"], sides(), ClosedLoop())
    assert (few.verdict, few.reason) == (
        Ruling.UNKNOWN,
        "a verdict needs 6 processes of each config and the budget held 5: give a longer one",
    )
    none = _conclude(waves_of(0.010, 0.012, processes=0), METRICS["throughput"], sides(), ClosedLoop())
    assert (none.verdict, none.low, none.high, none.noise_floor) == (Ruling.UNKNOWN, 0.0, inf, None)
    failed = _conclude(waves_of(0.010, 0.012, failing=True), METRICS["throughput"], sides(), ClosedLoop())
    assert failed.verdict is Ruling.UNKNOWN
    assert failed.reason.startswith("A failed in one of the processes: ")
    assert (failed.a.metrics, bool(failed.b.metrics)) == ({}, True)
    p99 = _conclude(waves_of(0.010, 0.012), METRICS["latency_p99"], sides(), ClosedLoop())
    assert (p99.verdict, "latency_p99 needs 500 latencies in each process" in p99.reason) == (Ruling.UNKNOWN, True)


def test_the_twin_is_that_of_b() -> None:
    """What could be proved here is read from B against itself."""
    waves = waves_of(0.010, 0.020)
    assert [sorted(wave) for wave in waves.waves] == [sorted([A, B, AA])] * 6
    assert _conclude(waves, METRICS["throughput"], sides(), ClosedLoop()).noise_floor == waves.noise_floor < 1.1


def compared(workers: Workers, model: Path, a: Mapping[str, str] = {}, budget_s: float = 3.0) -> Comparison:
    """The comparison of the properties `a` with one stream, each with two requests in flight."""
    plans = {
        key: Plan(files=locate(model), shapes={}, properties=dict(properties), nireq=2)
        for key, properties in ((A, a), (B, {"NUM_STREAMS": "1"}))
    }
    contenders = {key: Contender(config=Config(), plans=(plan,)) for key, plan in plans.items()}
    return compare_arms(workers, job_for(model, "throughput"), contenders, METRICS["throughput"], budget_s)


def test_a_real_comparison_looks_at_the_outputs_of_both(tmp_path: Path, workers: Workers) -> None:
    """However short the budget, both are started once and compared with the reference."""
    found = compared(workers, matmul_model(tmp_path), budget_s=0.5)
    assert (found.a.wrong, found.b.wrong) == (None, None)
    assert found.b.effective.streams == 1
    assert found.a.output_error.finite


def test_too_little_memory_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sides and the second copy of B have to fit side by side, else nothing is compared."""
    monkeypatch.setattr("autotp.measuring.parent.pool.available_memory_bytes", lambda: 1 << 20)
    with pytest.raises(EnvironmentFailure, match=r"needs 3 arms side by side: an arm takes .* room for 0 more"):
        compared(workers, matmul_model(tmp_path))


def test_a_side_that_cannot_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """A property that OpenVINO refuses: the text holds it and how it failed."""
    with pytest.raises(InputError, match=r"NUM_STREAMS.*can't be measured"):
        compared(workers, matmul_model(tmp_path), {"NUM_STREAMS": "many"})


def test_a_reference_that_cannot_run_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be held against it, whatever the sides do."""
    monkeypatch.setitem(REFERENCE_PROPERTIES, "FOO", "1")
    with pytest.raises(EnvironmentFailure, match=r"The reference outputs can't be computed: .*FOO"):
        compared(workers, matmul_model(tmp_path))
