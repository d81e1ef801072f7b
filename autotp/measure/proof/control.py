"""What the proof of tensor parallelism is made of: what an arm's threads do with the policy, and without it."""

from collections.abc import Mapping

import msgspec

from autotp.measure.parent.pool import Workers
from autotp.measure.plans import plans_of
from autotp.measure.proof.split_proof import Place, Ran, places
from autotp.measure.rounds.arm import Arm, ArmSpec
from autotp.measure.workload.workload import Workload
from autotp.runtime import ModelFiles, Shape
from autotp.space import Config, Mask
from autotp.topology import Topology


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm with the policy is held against: its `twin` without it, and where sub-streams could be."""

    twin: ArmSpec
    spanned: tuple[Place, ...]


def policy_of(
    config: Config,
    masks: tuple[Mask, ...] | None,
    files: ModelFiles,
    shapes: Mapping[str, Shape],
    workload: Workload,
    topology: Topology,
) -> Policy:
    """Return what `config`, which has the policy, is held against under its first mask, where it has any."""
    plans = plans_of(config.without_policy, masks and masks[:1], files, shapes, None)
    cpus = masks[0] if masks else topology.envelope.cpus
    return Policy(twin=ArmSpec(plans=plans, workload=workload), spanned=places(topology.machine, cpus))


def ran(arm: Arm) -> Ran:
    """Return what the threads of `arm`, which has started, do.

    Raises:
        ArmFailure: as `Arm.watch`.
    """
    started = arm.started[0]
    return Ran(
        streams=started.effective.streams or 1,
        threads=started.effective.threads or 0,
        footprint=arm.watch(),
        hyper_threading=started.properties.get("ENABLE_HYPER_THREADING") == "YES",
    )


def ran_once(workers: Workers, spec: ArmSpec) -> Ran:
    """Start an arm of `spec` for that alone.

    Raises:
        ArmFailure: it can't be started or watched.
    """
    arm = Arm(spec, workers)
    try:
        arm.launch()
        arm.await_start()
        return ran(arm)
    finally:
        arm.stop()
