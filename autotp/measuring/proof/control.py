"""The control run of a proof: the activity of threads with the same config without the distribution policy."""

import msgspec

from autotp.measuring.parent.pool import Workers
from autotp.measuring.proof.split_proof import ArmActivity, SocketCpus
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof needs besides the arm: the arm without the policy, and the sockets of the CPUs."""

    spec: ArmSpec
    sockets: tuple[SocketCpus, ...]


def activity_of(arm: Arm) -> ArmActivity:
    """Return the activity of `arm`, which has started.

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
    """Start the arm without the policy, return its activity, and stop it.

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
