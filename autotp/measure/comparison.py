"""Two arms against each other: A over B, in fresh processes, with the same proof that a tuning asks of a finalist.

A first short phase starts both once, looks at their outputs, and tells how long starts and blocks take; nothing
that it measures counts. Then both run in waves with a twin of B, so that the smallest ratio that could be proved
here comes from the same minutes. A side whose outputs are wrong can't win. What OpenVINO's hints make of the
outputs is accepted in practice, so they are run, too, but only where a side would be rejected without.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec

from autotp.errors import AutotpError, EnvironmentFailure, InputError
from autotp.findings import REPORTED_CONFIDENCE, Metric, Ruling
from autotp.measure.outputs.gate import Gate, reference_folder
from autotp.measure.parent.pool import Workers
from autotp.measure.plans import reference_plan
from autotp.measure.preparation import record_reference
from autotp.measure.protocol import ArmFailure, OutputError, Outputs
from autotp.measure.rounds.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measure.rounds.rounds import LONGEST_BLOCK_SHARE, Blocks
from autotp.measure.rounds.waves import AA, GRACE, Rounds, Waves, plan_waves
from autotp.measure.samples.metrics import samples_of
from autotp.measure.samples.statistics import MIN_PROCESSES, proven, t_interval
from autotp.space import Effective

A, B = "A", "B"
ARMS = 3  # that run side by side: A, B, and the twin of B


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two: what OpenVINO made of it, its figures, and its outputs' error, with why they are `wrong`."""

    effective: Effective
    metrics: dict[str, float]
    output_error: OutputError
    wrong: str | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many times better A is than B, with its 95 % interval over processes, and what is proven."""

    ratio: float
    low: float
    high: float
    verdict: Ruling
    reason: str
    objective: str
    processes: int
    rounds: int
    noise_floor: float | None
    a: Side
    b: Side


class Contenders(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared, and what the outputs are held against: the hints of the same model and workload.

    Which of both are `strict` have to say the reference's tokens, all of them.
    """

    a: ArmSpec
    b: ArmSpec
    hints: tuple[ArmSpec, ...]
    strict: tuple[bool, bool] = (False, False)

    def prompted(self, tokens: int | None) -> "Contenders":
        """Return these of a language model with prompts of so many tokens; as they are where None."""
        if tokens is None:
            return self
        a, b, *hints = (
            msgspec.structs.replace(spec, workload=spec.workload.prompted(tokens))
            for spec in (self.a, self.b, *self.hints)
        )
        return Contenders(a=a, b=b, hints=tuple(hints), strict=self.strict)


class _Opening(msgspec.Struct, frozen=True):
    """What the first phase tells: what both sides are, how long a start takes, and how blocks are made."""

    sides: dict[str, Side]
    start_s: float
    blocks: Blocks
    block_s: float
    samples: int


def compare(
    workers: Workers, contenders: Contenders, metric: Metric, budget_s: float, blocks: Blocks, seed: int
) -> Comparison:
    """Compare two arms for about `budget_s` seconds, starts included.

    Raises:
        InputError: one of them can't be run; the text says which, in which phase it failed and how.
        EnvironmentFailure: the reference or a hint can't be run, no process starts, or memory doesn't hold both.
    """
    end, last = monotonic() + budget_s, monotonic() + GRACE * budget_s
    opening = _open(workers, contenders, metric, blocks, budget_s * LONGEST_BLOCK_SHARE)
    specs = {A: contenders.a, B: contenders.b}
    waves = Waves({key: _maker(workers, spec) for key, spec in specs.items()}, B, metric, opening.blocks, seed)
    rounds = Rounds.of(opening.blocks).enough_for(metric, opening.samples)
    schedule = plan_waves(end - monotonic(), ARMS, opening.start_s, opening.block_s, rounds)
    waves.run(schedule, end, last, lambda: None)
    return _rule(waves, metric, opening.sides)


def _maker(workers: Workers, spec: ArmSpec) -> Callable[[], Arm]:
    return lambda: Arm(spec, workers)


def _open(workers: Workers, contenders: Contenders, metric: Metric, blocks: Blocks, longest_s: float) -> _Opening:
    with reference_folder() as folder:
        reference = Path(folder) / "reference.npz"
        _record_reference(workers, contenders.b, reference)
        _check_room(workers)
        began = monotonic()
        with _started(workers, (contenders.a, contenders.b), reference) as arms:
            start_s = (monotonic() - began) * ARMS / len(arms)
            errors = {key: arm.output_error for key, arm in zip((A, B), arms, strict=True)}
            effective = {key: arm.started[0].effective for key, arm in zip((A, B), arms, strict=True)}
            try:
                for arm in arms:
                    blocks = blocks.fit(arm.turn_s(blocks.fitting.run(arm)), longest_s)
                trials = [blocks.run(arm) for arm in arms]
            except ArmFailure as failure:
                raise failure.told("A side can't be measured") from failure
        _check_room(workers)
        sides = {key: Side(effective=effective[key], metrics={}, output_error=errors[key]) for key in (A, B)}
        sides = _judge_outputs(workers, contenders, reference, sides)
    block_s = max(block.elapsed_s + block.untimed_s for block in trials)
    samples = min(len(samples_of(metric, block)) for block in trials)
    return _Opening(sides, start_s, blocks, block_s, samples)


def _judge_outputs(
    workers: Workers, contenders: Contenders, reference: Path, sides: dict[str, Side]
) -> dict[str, Side]:
    """Return `sides` with why their outputs are wrong; the hints are run where one would be rejected without."""

    strict = dict(zip((A, B), contenders.strict, strict=True))

    def judged(gate: Gate) -> dict[str, Side]:
        reasons = {
            key: gate.rejects(side.output_error, side.effective.precision, strict[key])
            for key, side in sides.items()
        }
        return {key: msgspec.structs.replace(side, wrong=reasons[key]) for key, side in sides.items()}

    without = judged(Gate())
    if not any(side.wrong for side in without.values()):
        return without
    with _started(workers, contenders.hints, reference, EnvironmentFailure) as arms:
        return judged(Gate().accepting(arm.output_error for arm in arms))


def _record_reference(workers: Workers, spec: ArmSpec, path: Path) -> None:
    plan = reference_plan(spec.plans[0].files, spec.plans[0].shapes)
    try:
        record_reference(workers, plan, spec.workload, path)
    except ArmFailure as failure:
        raise EnvironmentFailure(f"The reference outputs can't be computed: {failure}.") from failure


def _check_room(workers: Workers) -> None:
    if workers.room < ARMS:
        raise EnvironmentFailure(f"A comparison needs {ARMS} arms side by side: {workers.shortage}.")


@contextmanager
def _started(
    workers: Workers, specs: Sequence[ArmSpec], reference: Path, kind: type[AutotpError] = InputError
) -> Iterator[list[Arm]]:
    """Give started arms of `specs` that compare their outputs; a failure is an error of `kind`."""
    outputs = Outputs(str(reference))
    arms = [Arm(msgspec.structs.replace(spec, outputs=outputs), workers) for spec in specs]
    try:
        for index, failure in start_together(arms).items():
            properties = specs[index].plans[0].properties
            raise failure.told(f"A config ({properties}) can't be measured", kind) from failure
        yield arms
    finally:
        stop_all(arms)


def _rule(waves: Waves, metric: Metric, sides: dict[str, Side]) -> Comparison:
    gains = waves.log_gains(A, B)
    floor = waves.noise_floor if AA not in waves.failures and len(gains) > 1 else None
    interval = t_interval(gains, REPORTED_CONFIDENCE)
    ruling, reason = _judge(waves, metric, gains, floor, sides)
    measured = {
        key: msgspec.structs.replace(side, metrics=waves.metrics(key) if _has(waves, key) else {})
        for key, side in sides.items()
    }
    return Comparison(
        ratio=interval.median,
        low=interval.low,
        high=interval.high,
        verdict=ruling,
        reason=reason,
        objective=metric.name,
        processes=len(waves.waves),
        rounds=sum(len(wave.get(B, ())) for wave in waves.waves),
        noise_floor=floor,
        a=measured[A],
        b=measured[B],
    )


def _has(waves: Waves, key: str) -> bool:
    return bool(waves.waves) and key not in waves.failures


def _judge(
    waves: Waves, metric: Metric, gains: Sequence[float], floor: float | None, sides: dict[str, Side]
) -> tuple[Ruling, str]:
    """Rule on A over B: a proof either way, as of a finalist over a baseline, but never for wrong outputs."""
    for key, failure in waves.failures.items():
        return Ruling.UNKNOWN, f"{'B' if key == AA else key} failed in one of the processes: {failure}"
    if len(gains) < MIN_PROCESSES or floor is None:
        return (
            Ruling.UNKNOWN,
            f"{len(gains)} of {MIN_PROCESSES} processes fit into the budget, a longer one holds more",
        )
    if (fewest := waves.fewest_samples) < metric.min_samples:
        return Ruling.UNKNOWN, f"{metric} needs {metric.min_samples} samples a process, there were {fewest}"
    wrong = {key: side.wrong for key, side in sides.items() if side.wrong}
    if len(wrong) == len(sides):
        return Ruling.UNKNOWN, f"the outputs of both are wrong, so neither can win: {wrong[A]}"
    if A in wrong:
        return Ruling.LOSE, f"A's outputs are wrong, so it can't win: {wrong[A]}"
    if proven(gains, floor):
        return Ruling.WIN, ""
    if B in wrong:
        return Ruling.TIE, f"B's outputs are wrong, so it can't win: {wrong[B]}"
    return (Ruling.LOSE if proven([-gain for gain in gains], floor) else Ruling.TIE), ""
