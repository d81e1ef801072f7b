"""What the proof of tensor parallelism is made of: what an arm's threads do with the policy, and without it."""

import msgspec

from autotp.measure.arm import Arm, ArmSpec
from autotp.measure.proof import Place, Ran
from autotp.measure.workers import Workers


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm with the policy is held against: its `twin` without it, and where sub-streams could be."""

    twin: ArmSpec
    spanned: tuple[Place, ...]


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
