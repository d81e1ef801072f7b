"""Compares arm A with arm B in fresh processes, with the statistics of a tuning's finals.

A short pilot run starts both once, checks their outputs, and measures how long starts and blocks take; its figures
don't count. Then both run in waves together with a second copy of B, so that the noise floor is measured in the
same minutes. A side whose outputs are wrong can't win. Output errors as large as those of OpenVINO's hints are
accepted, so the hints are run, too, but only if a side would be rejected otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import msgspec

from autotp.errors import AutotpError, EnvironmentFailure, InputError
from autotp.findings import REPORTED_CONFIDENCE, Metric, Ruling
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.preparation import record_reference
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.gate import Gate
from autotp.measuring.outputs.reference import Outputs, reference_folder
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, BlockSettings
from autotp.measuring.rounds.waves import AA, GRACE, RoundCounts, Waves, plan_waves
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.samples.metrics import samples_of
from autotp.measuring.samples.statistics import t_interval
from autotp.measuring.verdict import Candidate, Verdict, judge
from autotp.space import Config, Effective

A, B = "A", "B"
ARMS = 3  # that run side by side: A, B, and the second copy of B


class SideResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one side: its effective config, metrics, and output error, and why its outputs are `wrong`."""

    effective: Effective
    metrics: dict[str, float]
    output_error: OutputError
    wrong: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many times better A is than B, with the 95 % interval over processes, and the verdict."""

    ratio: float
    low: float
    high: float
    verdict: Ruling
    reason: str
    objective: str
    processes: int
    rounds: int
    noise_floor: float | None
    a: SideResult
    b: SideResult


class ComparisonSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison runs: both sides, the reference, and OpenVINO's hints.

    Attributes:
        sides: the arms A and B.
        reference: the arm that computes the reference outputs; the comparison sets where it saves them.
        hints: the arms of OpenVINO's hints for the same model and workload.
        strict: keys of the sides that must give exactly the reference's whole numbers.
        blocks: how blocks are made.
        seed: for the order of blocks.
    """

    sides: Mapping[str, ArmSpec]
    reference: ArmSpec
    hints: tuple[ArmSpec, ...]
    strict: frozenset[str] = frozenset()
    blocks: BlockSettings
    seed: int = 0


class _Pilot(msgspec.Struct, frozen=True):
    """What the pilot run found: both sides, how long a start and a block take, and how blocks are made.

    `samples` is the smallest number of samples of the objective in a block.
    """

    sides: dict[str, SideResult]
    start_s: float
    blocks: BlockSettings
    block_s: float
    samples: int


def compare_arms(workers: Workers, spec: ComparisonSpec, metric: Metric, budget_s: float) -> Comparison:
    """Compare two arms for about `budget_s` seconds, starts included.

    Raises:
        InputError: one of them can't be run; the text says which, in which phase it failed and how.
        EnvironmentFailure: the reference or a hint can't be run, no process starts, or both don't fit into memory.
    """
    end, last = monotonic() + budget_s, monotonic() + GRACE * budget_s
    pilot = _open(workers, spec, metric, budget_s * LONGEST_BLOCK_SHARE)
    makers = {key: partial(WorkerArm, spec, workers) for key, spec in spec.sides.items()}
    waves = Waves(makers, B, metric, pilot.blocks, spec.seed)
    rounds = RoundCounts.of(pilot.blocks).enough_for(metric, pilot.samples)
    schedule = plan_waves(end - monotonic(), ARMS, pilot.start_s, pilot.block_s, rounds)
    waves.run(schedule, end, last, lambda: None)
    return _conclude(waves, metric, pilot.sides)


def _open(workers: Workers, spec: ComparisonSpec, metric: Metric, longest_s: float) -> _Pilot:
    with reference_folder() as folder:
        reference = Path(folder) / "reference.npz"
        _record_reference(workers, spec.reference, reference)
        _check_room(workers)
        began, blocks, specs = monotonic(), spec.blocks, spec.sides
        with _started(workers, list(specs.values()), reference) as arms:
            start_s = (monotonic() - began) * ARMS / len(arms)
            sides = {key: _side(arm) for key, arm in zip(specs, arms, strict=True)}
            try:
                for arm in arms:
                    blocks = blocks.fit(arm.turn_s(blocks.first_look.run(arm)), longest_s)
                trials = [blocks.run(arm) for arm in arms]
            except ArmFailure as failure:
                raise failure.as_error("A side can't be measured") from failure
        _check_room(workers)
        sides = _judge_outputs(workers, spec, reference, sides)
    block_s = max(block.elapsed_s + block.untimed_s for block in trials)
    return _Pilot(sides, start_s, blocks, block_s, min(len(samples_of(metric, block)) for block in trials))


def _side(arm: Arm) -> SideResult:
    return SideResult(effective=arm.started[0].effective, metrics={}, output_error=arm.output_error)


def _judge_outputs(
    workers: Workers, spec: ComparisonSpec, reference: Path, sides: dict[str, SideResult]
) -> dict[str, SideResult]:
    """Return `sides` with why their outputs are wrong; run the hints only if one would be rejected otherwise."""

    def judged(gate: Gate) -> dict[str, SideResult]:
        reasons = {
            key: gate.rejection(side.output_error, side.effective.precision, key in spec.strict)
            for key, side in sides.items()
        }
        return {key: msgspec.structs.replace(side, wrong=reasons[key]) for key, side in sides.items()}

    without = judged(Gate())
    if not any(side.wrong for side in without.values()):
        return without
    with _started(workers, spec.hints, reference, EnvironmentFailure) as arms:
        return judged(Gate().accepting(arm.output_error for arm in arms))


def _record_reference(workers: Workers, spec: ArmSpec, path: Path) -> None:
    try:
        record_reference(workers, msgspec.structs.replace(spec, outputs=Outputs(str(path), save=True)))
    except ArmFailure as failure:
        raise EnvironmentFailure(f"The reference outputs can't be computed: {failure}.") from failure


def _check_room(workers: Workers) -> None:
    if workers.room < ARMS:
        raise EnvironmentFailure(f"A comparison needs {ARMS} arms side by side: {workers.shortage}.")


@contextmanager
def _started(
    workers: Workers, specs: Sequence[ArmSpec], reference: Path, kind: type[AutotpError] = InputError
) -> Iterator[list[Arm]]:
    """Yield started arms of `specs` that compare their outputs; a failure is raised as `kind`."""
    outputs = Outputs(str(reference))
    arms: list[Arm] = [WorkerArm(msgspec.structs.replace(spec, outputs=outputs), workers) for spec in specs]
    try:
        for index, failure in start_together(arms).items():
            properties = specs[index].plans[0].properties
            raise failure.as_error(f"A config ({properties}) can't be measured", kind) from failure
        yield arms
    finally:
        stop_all(arms)


def _conclude(waves: Waves, metric: Metric, sides: Mapping[str, SideResult]) -> Comparison:
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
        [Candidate(key=candidate, config=Config(), log_gains={other: gains}, feasible=feasible)],
        best_baseline=other,
        must_beat=[other],
        baseline_keeps=True,
        noise_floor=float("inf") if floor is None else floor,
        processes=len(gains),
        metric=metric,
        samples=waves.fewest_samples,
    )
