"""Comparisons: the verdict on pretended arms, and a whole one on real workers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from autotp.errors import EnvironmentFailure, InputError
from autotp.findings.metric import METRICS, Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.compare.comparison import (
    A,
    B,
    ComparisonSpec,
    SideResult,
    _conclude,
    _judge_outputs,
    compare_arms,
)
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.waves import AA, Waves, WaveSchedule
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from autotp.space.aliases.effective import Effective
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


def comparison_of(a: ArmSpec, b: ArmSpec, *hints: ArmSpec, strict: frozenset[str] = frozenset()) -> ComparisonSpec:
    """Both arms, of which B's computes the reference, too."""
    return ComparisonSpec(sides={A: a, B: b}, reference=b, hints=hints, strict=strict, blocks=BlockSettings())


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
    found = _conclude(waves_of(a_s, b_s, metric=metric), metric, sides())
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
    found = _conclude(waves_of(0.010, 0.012), METRICS["throughput"], sides(a, b))
    assert (found.verdict, found.reason) == (verdict, words)


@pytest.mark.parametrize("strict", [False, True])
def test_less_exact_settings_must_say_the_same_tokens(strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hints differ in as many tokens, a config as exact as they may; a less exact one may not."""
    error = msgspec.structs.replace(EXACT, derived={"tokens": 0.1})

    @contextmanager
    def hints(*_: object) -> Iterator[list[Any]]:
        yield [SimpleNamespace(output_error=error)]

    monkeypatch.setattr("autotp.measuring.compare.comparison._started", hints)
    spec = ArmSpec(plans=(), workload=ClosedLoop())
    held = frozenset({A}) if strict else frozenset()
    wanted = comparison_of(spec, spec, spec, strict=held)
    differing = {key: msgspec.structs.replace(side, output_error=error) for key, side in sides().items()}
    judged = _judge_outputs(Workers(), wanted, Path("reference.npz"), differing)
    assert (judged[A].wrong is not None, judged[B].wrong) == (strict, None)


def test_a_slower_a_only_ties_with_wrong_outputs() -> None:
    """B is faster, but wrong: it can't win."""
    found = _conclude(waves_of(0.012, 0.010), METRICS["throughput"], sides(b="too far"))
    assert (found.verdict, found.reason) == (Ruling.TIE, "B's outputs are wrong, so it can't win: too far")


def test_too_little_proves_nothing() -> None:
    """Fewer than six processes, a side that fails, too few samples for a p99: UNKNOWN, with the reason."""
    few = _conclude(waves_of(0.010, 0.012, processes=5), METRICS["throughput"], sides())
    assert (few.verdict, few.reason) == (
        Ruling.UNKNOWN,
        "5 of 6 processes fit into the budget, a longer one holds more",
    )
    none = _conclude(waves_of(0.010, 0.012, processes=0), METRICS["throughput"], sides())
    assert (none.verdict, none.low, none.high, none.noise_floor) == (Ruling.UNKNOWN, 0.0, inf, None)
    failed = _conclude(waves_of(0.010, 0.012, failing=True), METRICS["throughput"], sides())
    assert failed.verdict is Ruling.UNKNOWN
    assert failed.reason.startswith("A failed in one of the processes: ")
    assert (failed.a.metrics, bool(failed.b.metrics)) == ({}, True)
    p99 = _conclude(waves_of(0.010, 0.012), METRICS["latency_p99"], sides())
    assert (p99.verdict, "latency_p99 needs 500 samples" in p99.reason) == (Ruling.UNKNOWN, True)


def test_the_twin_is_that_of_b() -> None:
    """What could be proved here is read from B against itself."""
    waves = waves_of(0.010, 0.020)
    assert [sorted(wave) for wave in waves.waves] == [sorted([A, B, AA])] * 6
    assert _conclude(waves, METRICS["throughput"], sides()).noise_floor == waves.noise_floor < 1.1


def spec(model: Path, **properties: str) -> ArmSpec:
    """An arm of that model with two requests in flight."""
    plan = Plan(files=locate(model), shapes={}, properties=properties, nireq=2)
    return ArmSpec(plans=(plan,), workload=ClosedLoop())


def test_a_real_comparison_looks_at_the_outputs_of_both(tmp_path: Path, workers: Workers) -> None:
    """However short the budget, both are started once and compared with the reference."""
    model = matmul_model(tmp_path)
    wanted = comparison_of(spec(model), spec(model, NUM_STREAMS="1"), spec(model))
    found = compare_arms(workers, wanted, METRICS["throughput"], 0.5)
    assert (found.a.wrong, found.b.wrong) == (None, None)
    assert found.b.effective.streams == 1
    assert found.a.output_error.finite


def test_too_little_memory_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sides and the second copy of B have to fit side by side, else nothing is compared."""
    monkeypatch.setattr("autotp.measuring.parent.pool.available_memory_bytes", lambda: 1 << 20)
    wanted = comparison_of(spec(matmul_model(tmp_path)), spec(matmul_model(tmp_path)))
    with pytest.raises(EnvironmentFailure, match=r"needs 3 arms side by side: an arm takes .* room for 0 more"):
        compare_arms(workers, wanted, METRICS["throughput"], 3.0)


def test_a_side_that_cannot_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """A property that OpenVINO refuses: the text holds it and how it failed."""
    model = matmul_model(tmp_path)
    wanted = comparison_of(spec(model, NUM_STREAMS="many"), spec(model))
    with pytest.raises(InputError, match=r"NUM_STREAMS.*can't be measured"):
        compare_arms(workers, wanted, METRICS["throughput"], 3.0)


def test_a_reference_that_cannot_run_is_a_failure_of_the_environment(tmp_path: Path, workers: Workers) -> None:
    """Nothing can be held against it, whatever the sides do."""
    model = matmul_model(tmp_path)
    wanted = msgspec.structs.replace(comparison_of(spec(model), spec(model)), reference=spec(model, FOO="1"))
    with pytest.raises(EnvironmentFailure, match=r"The reference outputs can't be computed: .*FOO"):
        compare_arms(workers, wanted, METRICS["throughput"], 3.0)
