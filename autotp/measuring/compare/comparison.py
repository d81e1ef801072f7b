"""Compares arm A with arm B in fresh processes, with the statistics of a tuning's finals.

A short pilot run starts both once, checks their outputs, and measures how long starts and blocks take; its figures
don't count. Then both run in waves together with a second copy of B, so that the noise floor is measured in the
same minutes. A side whose outputs are wrong can't win. Output errors as large as those of OpenVINO's hints are
accepted, so the hints are run, too, but only if a side would be rejected otherwise.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from time import monotonic

import msgspec

from autotp.errors import EnvironmentFailure, InputError
from autotp.findings.metric import Metric
from autotp.measuring.compare.result import B, Comparison, SideResult, conclude
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.job import MAIN_HINTS, Job
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, start_together, stop_all
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, BlockSettings
from autotp.measuring.rounds.waves import GRACE, SPARE_TIME, RoundCounts, Waves, plan_waves, seconds_needed
from autotp.measuring.samples.metrics import samples_of
from autotp.measuring.verdict import longer
from autotp.runtime.compile import Plan
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config

ARMS = 3  # that run side by side: A, B, and the second copy of B


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """What a side runs: its config, and the plan of each process that was made from it."""

    config: Config
    plans: tuple[Plan, ...]


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared, and how.

    `contenders` holds A and B under their names. `metric` decides. `notice` is called with a sentence if the
    budget is too short for a verdict, and for a hint that fails.
    """

    job: Job
    contenders: Mapping[str, Contender]
    metric: Metric
    notice: Callable[[str], None]


class _Pilot(msgspec.Struct, frozen=True):
    """What the pilot run found: both sides, how long a start and a block take, and how blocks are made.

    `samples` is the smallest number of samples of the objective in a block.
    """

    sides: dict[str, SideResult]
    start_s: float
    blocks: BlockSettings
    block_s: float
    samples: int


def compare_arms(workers: Workers, pairing: Pairing, budget_s: float) -> Comparison:
    """Compare the contenders A and B for about `budget_s` seconds, starts included.

    Raises:
        InputError: one of them can't be run; the text says which, in which phase it failed and how.
        EnvironmentFailure: the reference or a hint can't be run, no process starts, or both don't fit into memory.
    """
    job, metric = pairing.job, pairing.metric
    began = monotonic()
    end, last = began + budget_s, began + GRACE * budget_s
    bench = WorkerBench(job, Predictor(job.topology), workers)
    try:
        pilot = _open(bench, pairing, budget_s * LONGEST_BLOCK_SHARE)
        makers = {
            key: partial(bench.arm_of, job.spec_from_plans(side.plans, side.config), checked=False)
            for key, side in pairing.contenders.items()
        }
        waves = Waves(makers, B, metric, pilot.blocks, job.workload.seed)
        rounds = RoundCounts.of(pilot.blocks).enough_for(metric, pilot.samples)
        before_s = monotonic() - began
        needed_s = seconds_needed(ARMS, pilot.start_s / ARMS, pilot.block_s, rounds.fewest)
        if (shortest_s := before_s + SPARE_TIME * needed_s) > SPARE_TIME * budget_s:
            pairing.notice(f"{budget_s:g} s are too short for a verdict here: give {longer(shortest_s)}.")
        schedule = plan_waves(end - monotonic(), ARMS, pilot.start_s, pilot.block_s, rounds)
        waves.run(schedule, end, last, lambda: None)
        own = {name: why for side in pilot.sides.values() for name, why in side.output_error.unchecked.items()}
        unchecked = {**own, **bench.unchecked}
        return conclude(waves, metric, pilot.sides, before_s, unchecked, job.workload)
    finally:
        bench.close()


def _open(bench: WorkerBench, pairing: Pairing, longest_s: float) -> _Pilot:
    try:
        bench.record_reference()
    except ArmFailure as failure:
        raise failure.as_error("The reference outputs can't be computed", EnvironmentFailure) from failure
    first = next(iter(pairing.contenders.values()))
    turn_start_s = bench.take_turns_like(pairing.job.spec_from_plans(first.plans, first.config))
    blocks = BlockSettings.within(pairing.job.topology.envelope, pairing.job.workload)
    began = monotonic()
    with _started(bench, pairing) as arms:
        start_s = (monotonic() - began) * ARMS / len(arms)
        sides = {key: _side(arm) for key, arm in zip(pairing.contenders, arms, strict=True)}
        if turn_start_s is not None:
            pairing.notice("Memory doesn't hold the arms side by side, so they take turns, and noise is larger.")
            blocks, start_s = blocks.taking_turns(turn_start_s), 0.0
        try:
            for arm in arms:
                blocks = blocks.fit(arm.turn_s(blocks.first_look.run(arm)), longest_s)
            trials = [blocks.run(arm) for arm in arms]
        except ArmFailure as failure:
            raise failure.as_error("A side can't be measured") from failure
    bench.check_room(ARMS)
    sides = _judge_outputs(bench, pairing, sides)
    block_s = max(block.elapsed_s + block.untimed_s for block in trials)
    samples = min(len(samples_of(pairing.metric, block)) for block in trials)
    return _Pilot(sides, start_s, blocks, block_s, samples)


def _side(arm: Arm) -> SideResult:
    return SideResult(effective=arm.started[0].effective, metrics={}, output_error=arm.output_error)


def _judge_outputs(bench: WorkerBench, pairing: Pairing, sides: dict[str, SideResult]) -> dict[str, SideResult]:
    """Return `sides` with why outputs are wrong; run the hints only if a side would be rejected otherwise."""

    def judged() -> dict[str, SideResult]:
        reasons = {
            key: bench.rejection(pairing.contenders[key].config, side.output_error, side.effective)
            for key, side in sides.items()
        }
        return {key: msgspec.structs.replace(side, wrong=reasons[key]) for key, side in sides.items()}

    without = judged()
    if not any(side.wrong for side in without.values()):
        return without
    _run_hints(bench, pairing.notice)
    return judged()


def _run_hints(bench: WorkerBench, notice: Callable[[str], None]) -> None:
    """Run OpenVINO's hints and accept output errors as large as those of the ones that run.

    Raises:
        EnvironmentFailure: none runs.
    """
    started = bench.start(MAIN_HINTS, gated=False)
    stop_all(arm for arm, _ in started)
    observed: dict[Config, Observed] = {}
    for config, (_, outcome) in zip(MAIN_HINTS, started, strict=True):
        if isinstance(outcome, Observed):
            observed[config] = outcome
            continue
        failed = f"OpenVINO's hint ({config}) can't be measured"
        if not observed and config == MAIN_HINTS[-1]:
            raise outcome.as_error(failed, EnvironmentFailure)
        notice(f"warning: {failed}: {outcome}.")
    bench.accept_hints(observed)


@contextmanager
def _started(bench: WorkerBench, pairing: Pairing) -> Iterator[list[Arm]]:
    """Yield started arms of both contenders that compare their outputs."""
    contenders = list(pairing.contenders.values())
    arms = [bench.arm_of(pairing.job.spec_from_plans(side.plans, side.config)) for side in contenders]
    try:
        for index, failure in start_together(arms).items():
            properties = contenders[index].plans[0].properties
            raise failure.as_error(f"A config ({properties}) can't be measured", InputError) from failure
        yield arms
    finally:
        stop_all(arms)
