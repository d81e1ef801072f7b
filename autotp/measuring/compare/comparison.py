"""Compares arm A with arm B in fresh processes, with the statistics of a tuning's finals.

A short pilot run starts both once, checks their outputs, and measures how long starts and blocks take; its figures
don't count. Then both run in waves together with a second copy of B, so that the noise floor is measured in the
same minutes. A side whose outputs are wrong can't win. Output errors as large as those of OpenVINO's hints are
accepted, so the hints are run, too, but only if a side would be rejected otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic

import msgspec

from autotp.errors import EnvironmentFailure, InputError
from autotp.findings.interval import REPORTED_CONFIDENCE
from autotp.findings.metric import Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.bench import WorkerBench
from autotp.measuring.jobs.job import HINTS, Job
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, start_together, stop_all
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, BlockSettings
from autotp.measuring.rounds.waves import AA, GRACE, RoundCounts, Waves, plan_waves
from autotp.measuring.samples.metrics import samples_of
from autotp.measuring.samples.statistics import t_interval
from autotp.measuring.verdict import Candidate, Verdict, judge
from autotp.measuring.workload.registry import AnyWorkload
from autotp.runtime.compile import Plan
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config

A, B = "A", "B"
ARMS = 3  # that run side by side: A, B, and the second copy of B


class SideResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one side: its effective config, metrics, and output error, and why its outputs are `wrong`."""

    effective: Effective
    metrics: dict[str, float]
    output_error: OutputError
    wrong: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many times better A is than B, with the 95 % interval over processes, and the verdict.

    `workload` is how both were driven.
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


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """What a side runs: its config, and the plan of each process that was made from it."""

    config: Config
    plans: tuple[Plan, ...]


class _Pilot(msgspec.Struct, frozen=True):
    """What the pilot run found: both sides, how long a start and a block take, and how blocks are made.

    `samples` is the smallest number of samples of the objective in a block.
    """

    sides: dict[str, SideResult]
    start_s: float
    blocks: BlockSettings
    block_s: float
    samples: int


def compare_arms(
    workers: Workers, job: Job, contenders: Mapping[str, Contender], metric: Metric, budget_s: float
) -> Comparison:
    """Compare the contenders A and B for about `budget_s` seconds, starts included.

    Raises:
        InputError: one of them can't be run; the text says which, in which phase it failed and how.
        EnvironmentFailure: the reference or a hint can't be run, no process starts, or both don't fit into memory.
    """
    end, last = monotonic() + budget_s, monotonic() + GRACE * budget_s
    bench = WorkerBench(job, Predictor(job.topology), workers)
    try:
        pilot = _open(bench, job, contenders, metric, budget_s * LONGEST_BLOCK_SHARE)
        makers = {
            key: partial(bench.arm_of, job.spec_from_plans(side.plans, side.config), checked=False)
            for key, side in contenders.items()
        }
        waves = Waves(makers, B, metric, pilot.blocks, job.workload.seed)
        rounds = RoundCounts.of(pilot.blocks).enough_for(metric, pilot.samples)
        schedule = plan_waves(end - monotonic(), ARMS, pilot.start_s, pilot.block_s, rounds)
        waves.run(schedule, end, last, lambda: None)
        return _conclude(waves, metric, pilot.sides, job.workload)
    finally:
        bench.close()


def _open(
    bench: WorkerBench, job: Job, contenders: Mapping[str, Contender], metric: Metric, longest_s: float
) -> _Pilot:
    try:
        bench.record_reference()
    except ArmFailure as failure:
        raise EnvironmentFailure(f"The reference outputs can't be computed: {failure}.") from failure
    bench.check_room(ARMS)
    blocks = BlockSettings.within(job.topology.envelope, job.workload)
    began = monotonic()
    with _started(bench, job, list(contenders.values())) as arms:
        start_s = (monotonic() - began) * ARMS / len(arms)
        sides = {key: _side(arm) for key, arm in zip(contenders, arms, strict=True)}
        try:
            for arm in arms:
                blocks = blocks.fit(arm.turn_s(blocks.first_look.run(arm)), longest_s)
            trials = [blocks.run(arm) for arm in arms]
        except ArmFailure as failure:
            raise failure.as_error("A side can't be measured") from failure
    bench.check_room(ARMS)
    sides = _judge_outputs(bench, contenders, sides)
    block_s = max(block.elapsed_s + block.untimed_s for block in trials)
    return _Pilot(sides, start_s, blocks, block_s, min(len(samples_of(metric, block)) for block in trials))


def _side(arm: Arm) -> SideResult:
    return SideResult(effective=arm.started[0].effective, metrics={}, output_error=arm.output_error)


def _judge_outputs(
    bench: WorkerBench, contenders: Mapping[str, Contender], sides: dict[str, SideResult]
) -> dict[str, SideResult]:
    """Return `sides` with why outputs are wrong; run the hints only if a side would be rejected otherwise."""

    def judged() -> dict[str, SideResult]:
        reasons = {
            key: bench.rejection(contenders[key].config, side.output_error, side.effective)
            for key, side in sides.items()
        }
        return {key: msgspec.structs.replace(side, wrong=reasons[key]) for key, side in sides.items()}

    without = judged()
    if not any(side.wrong for side in without.values()):
        return without
    _run_hints(bench)
    return judged()


def _run_hints(bench: WorkerBench) -> None:
    """Run OpenVINO's hints and accept output errors as large as theirs."""
    started = bench.start(HINTS, gated=False)
    stop_all(arm for arm, _ in started)
    observed: dict[Config, Observed] = {}
    for config, (_, outcome) in zip(HINTS, started, strict=True):
        if isinstance(outcome, ArmFailure):
            raise outcome.as_error(f"OpenVINO's hint ({config}) can't be measured", EnvironmentFailure)
        observed[config] = outcome
    bench.accept_hints(observed)


@contextmanager
def _started(bench: WorkerBench, job: Job, contenders: Sequence[Contender]) -> Iterator[list[Arm]]:
    """Yield started arms of `contenders` that compare their outputs."""
    arms = [bench.arm_of(job.spec_from_plans(side.plans, side.config)) for side in contenders]
    try:
        for index, failure in start_together(arms).items():
            properties = contenders[index].plans[0].properties
            raise failure.as_error(f"A config ({properties}) can't be measured", InputError) from failure
        yield arms
    finally:
        stop_all(arms)


def _conclude(waves: Waves, metric: Metric, sides: Mapping[str, SideResult], workload: AnyWorkload) -> Comparison:
    gains = waves.log_gains(A, B)
    floor = waves.noise_floor if AA not in waves.failures and len(gains) > 1 else None
    interval = t_interval(gains, REPORTED_CONFIDENCE)
    verdict = _judge(waves, metric, floor, sides)
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
        a=measured[A],
        b=measured[B],
    )


def _has(waves: Waves, key: str) -> bool:
    return bool(waves.waves) and key not in waves.failures


def _judge(waves: Waves, metric: Metric, floor: float | None, sides: Mapping[str, SideResult]) -> Verdict:
    """Judge A against B, then B against A. A side with wrong outputs can't win."""
    for key, failure in waves.failures.items():
        failed = B if key == AA else key
        return Verdict(Ruling.UNKNOWN, reason=f"{failed} failed in one of the processes: {failure}")
    wrong = {key: side.wrong for key, side in sides.items() if side.wrong}
    forwards = _one_way(waves, metric, floor, A, B, feasible=A not in wrong)
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
    backwards = _one_way(waves, metric, floor, B, A, feasible=True)
    return Verdict(Ruling.LOSE) if backwards.ruling is Ruling.WIN else forwards


def _one_way(
    waves: Waves, metric: Metric, floor: float | None, candidate: str, other: str, *, feasible: bool
) -> Verdict:
    """Judge `candidate` with `other` as its baseline."""
    gains = waves.log_gains(candidate, other)
    return judge(
        [Candidate(key=candidate, log_gains={other: gains}, feasible=feasible)],
        best_baseline=other,
        must_beat=[other],
        baseline_keeps=True,
        noise_floor=float("inf") if floor is None else floor,
        processes=len(gains),
        metric=metric,
        samples=waves.fewest_samples,
    )
