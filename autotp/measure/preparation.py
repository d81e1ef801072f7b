"""What is asked of a worker once, before anything is measured: what the model is, and what it should answer."""

from pathlib import Path

from autotp.errors import ModelError
from autotp.measure.arm import Arm, ArmSpec
from autotp.measure.protocol import ArmFailure, Inspect, Inspected, Outputs, Phase, Ready, Workload
from autotp.measure.workers import Workers
from autotp.runtime import ModelFiles, ModelInfo, Plan, Shape


def inspect(workers: Workers, files: ModelFiles, shapes: dict[str, Shape]) -> ModelInfo:
    """Read the model in a process of its own and return what it takes and gives.

    Raises:
        ModelError: it can't be read or reshaped, stays dynamic, or brings its reader down.
        EnvironmentFailure: no worker can be started.
    """
    worker = workers.start()
    try:
        worker.send(Inspect(files, shapes))
        worker.receive(Ready, Phase.START)
        return worker.receive(Inspected, Phase.INSPECT).info
    except ArmFailure as failure:
        raise failure.told(f"{files.path} can't be read", ModelError) from failure
    finally:
        worker.kill()


def record_reference(workers: Workers, plan: Plan, workload: Workload, path: Path) -> None:
    """Compute the reference outputs of the samples in a process of its own and save them at `path`.

    Raises:
        ArmFailure: the reference couldn't be run.
    """
    arm = Arm(ArmSpec(plans=(plan,), workload=workload, outputs=Outputs(str(path), save=True)), workers)
    try:
        arm.launch()
        arm.await_start()
    finally:
        arm.stop()
