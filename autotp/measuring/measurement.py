"""Measures one config on its own. Nothing is compared, so the figures prove nothing.

Arms and blocks are made as in a tuning, with three differences: blocks are long, those of a language model whole
generations; outputs aren't checked; and disturbed blocks count.

Blocks are long because there is no other arm to take turns with, and each begins after a pause of the CPU. On a
virtual machine the first inference after a pause of 0.5 ms took 7 % longer, after one of 20 ms 20 % longer, and
only after 50 to 100 ms nothing could be seen of it any more.
"""

from collections.abc import Mapping
from itertools import count
from time import perf_counter
from typing import Any

import msgspec

from autotp.errors import InputError
from autotp.findings.metric import METRICS
from autotp.findings.proof import Proof
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.parent.pool import Workers
from autotp.measuring.proof.control import activity_of
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import all_metrics
from autotp.measuring.workload.registry import AnyWorkload
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config

BLOCK_S = 0.5
LONGEST_SHARE = 0.1  # of the budget, for a block


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one config; `properties` are as OpenVINO reports them.

    Attributes:
        metrics: the workload's metrics by key, which names the unit. A rate is the median over blocks, which a
            short disturbance doesn't change.
        inferences: how many were timed; tokens of a language model. Divided by `measured_s`, it is the mean rate.
        copy_s: how long copying a request's inputs in and its outputs out takes; not part of any latency.
        measured_s: the timed seconds of all blocks.
        proof: whether the distribution policy took effect; None where it isn't set.
    """

    metrics: dict[str, float]
    copy_s: float | None
    inferences: int
    measured_s: float
    blocks: int
    nireq: int
    effective: Effective
    properties: dict[str, str]
    workload: AnyWorkload
    proof: Proof | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values by name, every metric under its own key (None if the workload doesn't have it)."""
        rest: Mapping[str, Any] = msgspec.structs.asdict(self)
        keys = dict.fromkeys(metric.key for metric in METRICS.values())
        return {**keys, **self.metrics, **{name: value for name, value in rest.items() if name != "metrics"}}


def measure_config(workers: Workers, job: Job, config: Config, budget_s: float) -> Measurement:
    """Run blocks of `config` for `budget_s` seconds after its start and warm-up.

    Raises:
        SpaceError: the config can't run here.
        InputError: it fails; the text says in which phase and how.
        EnvironmentFailure: no process can be started.
    """
    bench = WorkerBench(job, Predictor(job.topology), workers)
    try:
        arm = bench.arm(config, checked=False)
        arm.launch()
        arm.await_start()
        arm.warm_up()
        blocks = _run_blocks(
            arm, job.workload.seed, budget_s, BlockSettings.within(job.topology.envelope, job.workload)
        )
        measurement = _summary(arm, blocks)
        if not config.tensor_parallel:
            return measurement
        seen = activity_of(arm)
        arm.stop()  # so that its memory is free for the control run
        return _proven(measurement, bench.proof(config, seen))
    except ArmFailure as failure:
        raise failure.as_error("This config can't be measured", InputError) from failure
    finally:
        bench.close()


def _run_blocks(arm: Arm, seed: int, budget_s: float, blocks: BlockSettings) -> list[Block]:
    numbers = count()

    def run(how: BlockSettings) -> Block:
        number = next(numbers)
        return how.run(arm, seed + number, number)

    longest_s = LONGEST_SHARE * budget_s
    turn_s = arm.turn_s(run(blocks.first_look))
    fitted = blocks.lasting(min(BLOCK_S, longest_s)).fit(turn_s, longest_s).all_work
    deadline = perf_counter() + budget_s
    measured = [run(fitted)]
    while perf_counter() < deadline:
        measured.append(run(fitted))
    return measured


def _proven(measurement: Measurement, proof: Proof) -> Measurement:
    effective = msgspec.structs.replace(measurement.effective, sub_streams=proof.sub_streams)
    return msgspec.structs.replace(measurement, effective=effective, proof=proof)


def _summary(arm: Arm, blocks: list[Block]) -> Measurement:
    started = arm.started[0]
    return Measurement(
        metrics=all_metrics(blocks),
        copy_s=started.copy_s,
        inferences=sum(block.count for block in blocks),
        measured_s=sum(block.elapsed_s for block in blocks),
        blocks=len(blocks),
        nireq=started.effective.requests or 1,
        effective=started.effective,
        properties=started.properties,
        workload=arm.spec.workload,
    )
