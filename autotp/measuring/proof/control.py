"""The proof's control run: what the threads of the same config do without the distribution policy."""

import msgspec

from autotp.measuring.parent.pool import Workers
from autotp.measuring.proof.split_proof import ArmActivity, SocketCpus
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm with the policy is held against: the arm without it, and where sub-streams could be."""

    spec: ArmSpec
    sockets: tuple[SocketCpus, ...]


def activity_of(arm: Arm) -> ArmActivity:
    """Return what the threads of `arm`, which has started, do.

    Raises:
        ArmFailure: as `Arm.watch`.
    """
    started = arm.started[0]
    return ArmActivity(
        streams=started.effective.streams or 1,
        threads=started.effective.threads or 0,
        seen=arm.watch(),
        hyper_threading=started.properties.get("ENABLE_HYPER_THREADING") == "YES",
    )


def run_control(workers: Workers, control: Control) -> ArmActivity:
    """Start the arm without the policy for that alone, and return what its threads do.

    Raises:
        ArmFailure: it can't be started or watched.
    """
    arm = WorkerArm(control.spec, workers)
    try:
        arm.launch()
        arm.await_start()
        return activity_of(arm)
    finally:
        arm.stop()
