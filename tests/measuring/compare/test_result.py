"""The result of a comparison, on pretended arms."""

from collections.abc import Callable
from math import inf

import pytest

from autotp.findings.metric import METRICS, Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.compare.result import A, B, Comparison, SideResult, conclude
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.waves import AA, Waves, WaveSchedule
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.space.aliases.effective import Effective
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


def concluded(waves: Waves, metric: Metric, both: dict[str, SideResult]) -> Comparison:
    """The result of waves that began after ten seconds, with all outputs checked."""
    return conclude(waves, metric, both, 10.0, {}, ClosedLoop())


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
    found = concluded(waves_of(a_s, b_s, metric=metric), metric, sides())
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
    found = concluded(waves_of(0.010, 0.012), METRICS["throughput"], sides(a, b))
    assert (found.verdict, found.reason) == (verdict, words)


def test_a_slower_a_only_ties_with_wrong_outputs() -> None:
    """B is faster, but wrong: it can't win."""
    found = concluded(waves_of(0.012, 0.010), METRICS["throughput"], sides(b="too far"))
    assert (found.verdict, found.reason) == (Ruling.TIE, "B's outputs are wrong, so it can't win: too far")


def test_too_little_proves_nothing() -> None:
    """Fewer than six processes, a side that fails, too few samples for a p99: UNKNOWN, with the reason."""
    few = concluded(waves_of(0.010, 0.012, processes=5), METRICS["throughput"], sides())
    assert (few.verdict, few.reason) == (
        Ruling.UNKNOWN,
        "a verdict needs 6 processes of each config and the budget held 5: give at least 11 s",
    )
    none = concluded(waves_of(0.010, 0.012, processes=0), METRICS["throughput"], sides())
    assert (none.verdict, none.low, none.high, none.noise_floor) == (Ruling.UNKNOWN, 0.0, inf, None)
    failed = concluded(waves_of(0.010, 0.012, failing=True), METRICS["throughput"], sides())
    assert failed.verdict is Ruling.UNKNOWN
    assert failed.reason.startswith("A failed in one of the processes: ")
    assert (failed.a.metrics, bool(failed.b.metrics)) == ({}, True)
    p99 = concluded(waves_of(0.010, 0.012), METRICS["latency_p99"], sides())
    assert (p99.verdict, "latency_p99 needs 500 latencies in each process" in p99.reason) == (Ruling.UNKNOWN, True)


def test_the_twin_is_that_of_b() -> None:
    """What could be proved here is read from B against itself."""
    waves = waves_of(0.010, 0.020)
    assert [sorted(wave) for wave in waves.waves] == [sorted([A, B, AA])] * 6
    assert concluded(waves, METRICS["throughput"], sides()).noise_floor == waves.noise_floor < 1.1
