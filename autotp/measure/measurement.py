"""One config on its own: figures to look at, from which nothing is proven, as nothing is compared.

The arms and blocks are those of a tuning, so that it sees the same, but of a language model blocks are whole
generations; outputs aren't checked, and disturbed blocks count.
"""

from itertools import count
from time import perf_counter
from typing import Any

import msgspec

from autotp.findings import Proof
from autotp.measure.parent.pool import Workers
from autotp.measure.proof.control import Policy, ran, ran_once
from autotp.measure.proof.split_proof import prove_split
from autotp.measure.protocol import ArmFailure, Block
from autotp.measure.rounds.arm import Arm, ArmSpec
from autotp.measure.rounds.rounds import Blocks
from autotp.measure.samples.metrics import all_metrics, known_metrics
from autotp.measure.workload.workload import Generation
from autotp.space import Effective


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What one config does; keys carry their units, `properties` are as OpenVINO reports them.

    `metrics` are those of such a model by their keys, None where no block holds what they are computed from. A
    rate is the median of blocks, which a neighbour's burst doesn't move; `inferences` (of a language model:
    tokens) over `measured_s`, the seconds of all windows, is the mean. `copy_s` is what copying a request's inputs
    in and its outputs out would add; no latency has it.
    """

    metrics: dict[str, float | None]
    compile_s: float
    copy_s: float | None
    inferences: int
    measured_s: float
    blocks: int
    nireq: int
    effective: Effective
    properties: dict[str, str]
    generation: Generation | None = None
    proof: Proof | None = None

    @property
    def flat(self) -> dict[str, Any]:
        """The metrics beside everything else, as one JSON object has them."""
        fields = msgspec.structs.asdict(self)
        return {**fields.pop("metrics"), **fields}


def measure(
    workers: Workers, spec: ArmSpec, budget_s: float, blocks: Blocks, policy: Policy | None = None
) -> Measurement:
    """Run `blocks` of one arm for `budget_s` seconds after its start and warm-up.

    Args:
        workers: where it runs.
        spec: the arm.
        budget_s: seconds of blocks.
        blocks: how they are made.
        policy: what an arm with OpenVINO's distribution policy is held against, to see whether that did anything.

    Raises:
        InputError: the config can't be run; the text says in which phase it failed and how.
        EnvironmentFailure: no process can be started.
    """
    arm = Arm(spec, workers)
    try:
        arm.launch()
        arm.await_start()
        arm.warm_up()
        measurement = _summarize(arm, _run_blocks(arm, budget_s, blocks))
        return measurement if policy is None else _proven(workers, measurement, arm, policy)
    except ArmFailure as failure:
        raise failure.told("This config can't be measured") from failure
    finally:
        arm.stop()


def _run_blocks(arm: Arm, budget_s: float, blocks: Blocks) -> list[Block]:
    numbers, seed = count(), arm.spec.workload.seed

    def run(how: Blocks) -> Block:
        number = next(numbers)
        return how.run(arm, seed + number, number)

    fitted = blocks.fit(arm.turn_s(run(blocks.fitting)), budget_s / 10).whole
    deadline = perf_counter() + budget_s
    measured = [run(fitted)]
    while perf_counter() < deadline:
        measured.append(run(fitted))
    return measured


def _proven(workers: Workers, measurement: Measurement, arm: Arm, policy: Policy) -> Measurement:
    """Return `measurement` with what `arm`, which is over then, made of the policy."""
    seen = ran(arm)
    arm.stop()
    proof = prove_split(seen, ran_once(workers, policy.twin), policy.spanned)
    effective = msgspec.structs.replace(measurement.effective, sub_streams=proof.sub_streams)
    return msgspec.structs.replace(measurement, effective=effective, proof=proof)


def _requests(arm: Arm) -> int:
    return arm.started[0].effective.requests or 1


def _summarize(arm: Arm, blocks: list[Block]) -> Measurement:
    started, generation = arm.started[0], arm.spec.workload.generation
    found = all_metrics(blocks)
    return Measurement(
        metrics={metric.key: found.get(metric.key) for metric in known_metrics(generation is not None)},
        compile_s=started.compile_s,
        copy_s=started.copy_s,
        inferences=sum(block.count for block in blocks),
        measured_s=sum(block.elapsed_s for block in blocks),
        blocks=len(blocks),
        nireq=_requests(arm),
        effective=started.effective,
        properties=started.properties,
        generation=generation,
    )
