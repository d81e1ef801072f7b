"""What is asked of a worker once, before anything is measured: what the model is, and what it should answer."""

from pathlib import Path

from autotp.errors import EnvironmentFailure, ModelError
from autotp.measure.parent.pool import Workers
from autotp.measure.protocol import ArmFailure, Inspect, Inspected, Outputs, Phase, Ready
from autotp.measure.rounds.arm import Arm, ArmSpec
from autotp.measure.workload.workload import PROMPTS, Generate, Workload
from autotp.runtime import ModelFiles, ModelInfo, Plan, Shape, context_limit
from autotp.space import Mask

LATENCY = {"PERFORMANCE_HINT": "LATENCY"}
PROMPT_WITHIN_S = 0.5
READS = 2  # the first of a length prepares for it


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


def with_prompt(workers: Workers, files: ModelFiles, workload: Workload, mask: Mask | None = None) -> Workload:
    """Return `workload` with a length of prompts where it's a language model's and has none yet.

    It's the longest of the usual ones that OpenVINO's LATENCY hint reads within half a second, else the shortest.

    Args:
        workers: where the process that reads them comes from.
        files: the language model.
        workload: what is asked of it.
        mask: the CPUs that the person narrowed it to.

    Raises:
        EnvironmentFailure: the hint can't be run.
    """
    generation = workload.generation
    if generation is None or generation.prompt_tokens is not None:
        return workload
    limit = context_limit(files.path)
    fitting = [tokens for tokens in PROMPTS if limit is None or tokens + generation.new_tokens <= limit]
    plan = Plan(files=files, shapes={}, properties=LATENCY, mask=mask, nireq=1)
    arm = Arm(ArmSpec(plans=(plan,), workload=workload), workers)
    try:
        arm.launch()
        arm.await_start()
        return workload.prompted(_longest_read(arm, fitting))
    except ArmFailure as failure:
        raise failure.told("OpenVINO's own hint failed here", EnvironmentFailure) from failure
    finally:
        arm.stop()


def _longest_read(arm: Arm, lengths: list[int]) -> int:
    """Return the longest of `lengths` that is read in time; the first is, whatever it takes."""
    longest, *longer = lengths
    for tokens in longer:
        if min(_seconds_to_read(arm, tokens) for _ in range(READS)) > PROMPT_WITHIN_S:
            break
        longest = tokens
    return longest


def _seconds_to_read(arm: Arm, tokens: int) -> float:
    return arm.generate(Generate(prompt=tokens, first=True)).elapsed_s
