"""What is done once: read the model, record the reference outputs, choose open fields, profile the baseline.

Each is done in a process of its own.
"""

import msgspec

from autotp.errors import EnvironmentFailure, ModelError
from autotp.findings.metric import Samples
from autotp.measuring.failure import ArmFailure, Phase
from autotp.measuring.jobs.job import Job
from autotp.measuring.parent.pool import Workers
from autotp.measuring.protocol import Inspect, Inspected, Profiled, Ready
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.options import spelling
from autotp.runtime.inference.layer_times import PERF_COUNT
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import ModelInfo, Shape


def inspect(workers: Workers, files: ModelFiles, shapes: dict[str, Shape]) -> ModelInfo:
    """Read the model in a process of its own and return its inputs and outputs.

    Raises:
        ModelError: it can't be read or reshaped, stays dynamic, or crashes the process that reads it.
        EnvironmentFailure: no worker can be started.
    """
    worker = workers.start()
    try:
        worker.send(Inspect(files, shapes, spelling()))
        worker.receive(Ready, Phase.START)
        return worker.receive(Inspected, Phase.INSPECT).info
    except ArmFailure as failure:
        raise failure.as_error(f"{files.path} can't be read", ModelError) from failure
    finally:
        worker.kill()


def read_model(workers: Workers, job: Job) -> ModelInfo:
    """Return the inputs, outputs and layers of the job's model, which the workload's inputs fit.

    Raises:
        ModelError: it can't be read, or an input doesn't fit it.
        EnvironmentFailure: no worker can be started.
    """
    info = inspect(workers, job.files, job.shapes)
    job.workload.check_inputs(info)
    return info


def record_reference(workers: Workers, spec: ArmSpec) -> None:
    """Compute the reference outputs of the samples in a process of its own and save them as `spec` says.

    Raises:
        ArmFailure: the reference can't be run.
    """
    arm = WorkerArm(spec, workers)
    try:
        arm.launch()
        arm.await_start()
    finally:
        arm.stop()


def profile(workers: Workers, spec: ArmSpec, samples: Samples, memory_bytes: int) -> Profiled:
    """Return what an inference of an arm of `spec`, compiled with PERF_COUNT, spends its time on.

    Raises:
        ArmFailure: it can't be run.
    """
    plans = [msgspec.structs.replace(plan, properties={**plan.properties, **PERF_COUNT}) for plan in spec.plans]
    arm = WorkerArm(msgspec.structs.replace(spec, plans=tuple(plans)), workers)
    try:
        arm.launch()
        arm.await_start()
        return arm.profile(samples, memory_bytes)
    finally:
        arm.stop()


def choose_open_fields(workers: Workers, job: Job) -> Job:
    """Return `job` with values for its workload's open fields, chosen by running OpenVINO's LATENCY hint.

    If that hint can't be run, the THROUGHPUT hint is. If neither can, values are taken that are right for any
    model, where there are such: other settings may run.

    Raises:
        ModelError: OpenVINO can't compile the model or can't run it on its inputs.
        EnvironmentFailure: neither can be run for another reason, and the workload needs them.
    """
    if not job.workload.open_fields:
        return job
    failures = []
    for hint in job.hints():
        arm = WorkerArm(hint, workers)
        try:
            arm.launch()
            arm.await_start()
            return msgspec.structs.replace(job, workload=arm.choose())
        except ArmFailure as failure:
            failures.append(failure)
        finally:
            arm.stop()
    if not failures[0].input_error and (safe := job.workload.without_choice) is not None:
        return msgspec.structs.replace(job, workload=safe)
    raise failures[0].as_error("OpenVINO's own hints failed here", EnvironmentFailure) from failures[0]
