"""One config on its own: figures to look at, from which nothing is proven, as nothing is compared.

The arms and blocks are those of a tuning, so that it sees the same; outputs aren't checked, and disturbed blocks
count.
"""

from itertools import count
from time import perf_counter

import msgspec

from autotp.measure.arm import Arm, ArmSpec
from autotp.measure.metrics import Metric
from autotp.measure.protocol import ArmFailure, Block
from autotp.measure.rounds import Blocks
from autotp.measure.workers import Workers
from autotp.space import Effective


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What one config does; keys carry their units, `properties` are as OpenVINO reports them.

    `throughput_per_s` is the median of blocks, which a neighbour's burst doesn't move; `inferences` over
    `measured_s`, the seconds of all windows, is the mean. `copy_s` is what copying a request's inputs in and its
    outputs out would add; no latency has it.
    """

    throughput_per_s: float
    latency_p50_s: float
    latency_p90_s: float
    latency_p99_s: float
    memory_bytes: int
    compile_s: float
    copy_s: float
    inferences: int
    measured_s: float
    blocks: int
    nireq: int
    effective: Effective
    properties: dict[str, str]


def measure(workers: Workers, spec: ArmSpec, budget_s: float, blocks: Blocks) -> Measurement:
    """Run `blocks` of one arm for `budget_s` seconds after its start and warm-up.

    Raises:
        InputError: the config can't be run; the text says in which phase it failed and how.
        EnvironmentFailure: no process can be started.
    """
    arm = Arm(spec, workers)
    try:
        arm.launch()
        arm.await_start()
        arm.warm_up()
        return _summarize(arm, _run_blocks(arm, budget_s, blocks))
    except ArmFailure as failure:
        raise failure.told("This config can't be measured") from failure
    finally:
        arm.stop()


def _run_blocks(arm: Arm, budget_s: float, blocks: Blocks) -> list[Block]:
    seeds = count(arm.spec.workload.seed)
    fitted = blocks.fit(arm.turn_s(blocks.fitting.run(arm, next(seeds))), budget_s / 10)
    deadline = perf_counter() + budget_s
    measured = [fitted.run(arm, next(seeds))]
    while perf_counter() < deadline:
        measured.append(fitted.run(arm, next(seeds)))
    return measured


def _requests(arm: Arm) -> int:
    return arm.started[0].effective.requests or 1


def _summarize(arm: Arm, blocks: list[Block]) -> Measurement:
    started = arm.started[0]
    return Measurement(
        throughput_per_s=Metric.THROUGHPUT.of(blocks),
        latency_p50_s=Metric.LATENCY_P50.of(blocks),
        latency_p90_s=Metric.LATENCY_P90.of(blocks),
        latency_p99_s=Metric.LATENCY_P99.of(blocks),
        memory_bytes=max(block.memory_bytes for block in blocks),
        compile_s=started.compile_s,
        copy_s=started.copy_s,
        inferences=sum(block.count for block in blocks),
        measured_s=sum(block.elapsed_s for block in blocks),
        blocks=len(blocks),
        nireq=_requests(arm),
        effective=started.effective,
        properties=started.properties,
    )
