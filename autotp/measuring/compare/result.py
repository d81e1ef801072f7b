"""The result of a comparison: both sides' figures, and the verdict on A against B."""

from collections.abc import Mapping

import msgspec

from autotp.findings.interval import REPORTED_CONFIDENCE
from autotp.findings.metric import Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.rounds.waves import AA, Waves
from autotp.measuring.samples.statistics import t_interval
from autotp.measuring.verdict import Candidate, Measured, Verdict, judge
from autotp.measuring.workload.registry import AnyWorkload
from autotp.space.aliases.effective import Effective

A, B = "A", "B"


class SideResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one side: its effective config, metrics, and output error, and why its outputs are `wrong`."""

    effective: Effective
    metrics: dict[str, float]
    output_error: OutputError
    wrong: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many times better A is than B, with the 95 % interval over processes, and the verdict.

    `workload` is how both were driven, `unchecked` are outputs that weren't checked, each with the reason.
    """

    ratio: float
    low: float
    high: float
    verdict: Ruling
    reason: str
    objective: str
    processes: int
    rounds: int
    noise_floor: float | None
    workload: AnyWorkload
    a: SideResult
    b: SideResult
    unchecked: dict[str, str] = {}


def conclude(
    waves: Waves,
    metric: Metric,
    sides: Mapping[str, SideResult],
    before_s: float,
    unchecked: Mapping[str, str],
    workload: AnyWorkload,
) -> Comparison:
    """Return the result of `waves` of the arms A and B.

    Args:
        waves: what was measured of them.
        metric: the objective.
        sides: both sides without metrics.
        before_s: how much of the budget had passed before the waves.
        unchecked: the outputs that weren't checked, each with the reason.
        workload: how both were driven.
    """
    gains = waves.log_gains(A, B)
    floor = waves.noise_floor if AA not in waves.failures and len(gains) > 1 else None
    interval = t_interval(gains, REPORTED_CONFIDENCE)
    verdict = _judge(waves, metric, floor, sides, waves.shortest_budget_s(before_s))
    measured = {
        key: msgspec.structs.replace(side, metrics=waves.metrics(key) if _has(waves, key) else {})
        for key, side in sides.items()
    }
    return Comparison(
        ratio=interval.median,
        low=interval.low,
        high=interval.high,
        verdict=verdict.ruling,
        reason=verdict.reason,
        objective=metric.name,
        processes=len(waves.waves),
        rounds=sum(len(wave.get(B, ())) for wave in waves.waves),
        noise_floor=floor,
        workload=workload,
        unchecked=dict(unchecked),
        a=measured[A],
        b=measured[B],
    )


def _has(waves: Waves, key: str) -> bool:
    return bool(waves.waves) and key not in waves.failures


def _judge(
    waves: Waves,
    metric: Metric,
    floor: float | None,
    sides: Mapping[str, SideResult],
    shortest_s: float | None,
) -> Verdict:
    """Judge A against B, then B against A. A side with wrong outputs can't win."""

    def one_way(candidate: str, other: str, *, feasible: bool) -> Verdict:
        gains = waves.log_gains(candidate, other)
        return judge(
            [Candidate(key=candidate, log_gains={other: gains}, feasible=feasible)],
            best_baseline=other,
            must_beat=[other],
            baseline_keeps=True,
            noise_floor=float("inf") if floor is None else floor,
            metric=metric,
            measured=Measured(len(gains), waves.fewest_samples, shortest_s),
        )

    for key, failure in waves.failures.items():
        failed = B if key == AA else key
        return Verdict(Ruling.UNKNOWN, reason=f"{failed} failed in one of the processes: {failure}")
    wrong = {key: side.wrong for key, side in sides.items() if side.wrong}
    forwards = one_way(A, B, feasible=A not in wrong)
    if forwards.ruling is Ruling.UNKNOWN:
        return forwards
    if len(wrong) == len(sides):
        return Verdict(Ruling.UNKNOWN, reason=f"the outputs of both are wrong, so neither can win: {wrong[A]}")
    if A in wrong:
        return Verdict(Ruling.LOSE, reason=f"A's outputs are wrong, so it can't win: {wrong[A]}")
    if forwards.ruling is Ruling.WIN:
        return forwards
    if B in wrong:
        return Verdict(Ruling.TIE, reason=f"B's outputs are wrong, so it can't win: {wrong[B]}")
    backwards = one_way(B, A, feasible=True)
    return Verdict(Ruling.LOSE) if backwards.ruling is Ruling.WIN else forwards
