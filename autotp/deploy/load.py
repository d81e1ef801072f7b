"""`autotp.load` compiles a model exactly as it was measured, or falls back to OpenVINO's hint and says so.

It uses the same function of `runtime` as the workers that measure, with exactly the properties in the file. A
process that loads a model imports no code that measures or searches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from autotp.deploy.guard import Decision, Difference, decide, fallback_properties, model_files_path
from autotp.deploy.plans import tuned_plans
from autotp.deploy.targets.autotp_load import TARGET
from autotp.deploy.targets.registry import ways_to_deploy
from autotp.deploy.tuned import Profile, Tuned, read_tuned
from autotp.errors import InputError, TunedError
from autotp.runtime.compile import Compiled, Plan, compile_plan
from autotp.runtime.inference.requests import create_queue, named_outputs
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from autotp.topology.probe import Topology, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotp.runtime.inference.requests import AsyncInferQueue, CompiledModel, InferRequest


@dataclass(frozen=True)
class Loaded:
    """A compiled model with the requests to keep in flight; usable as a context manager.

    Attributes:
        compiled_model: OpenVINO's compiled model.
        nireq: how many infer requests to keep in flight, as when measured.
        decision: whether the tuned config was applied, and why.
    """

    compiled_model: "CompiledModel"
    nireq: int
    decision: Decision
    _requests: "list[InferRequest]" = field(default_factory=list, repr=False)

    def infer(self, inputs: "Mapping[str, NDArray[Any]]") -> "dict[str, NDArray[Any]]":
        """Run one inference and return its outputs by name.

        A model with state keeps it from one inference to the next, until `reset`. A language model returns the
        logits of the last position only. All calls share one request, so they must not overlap; for several
        threads use `infer_queue`.
        """
        if not self._requests:
            self._requests.append(self.compiled_model.create_infer_request())
        return named_outputs(self._requests[0].infer(dict(inputs)))

    def reset(self) -> None:
        """Clear the model's state: a language model forgets the tokens that it has read."""
        for request in self._requests:
            request.reset_state()

    def infer_queue(self, callback: "Callable[[InferRequest, Any], None] | None" = None) -> "AsyncInferQueue":
        """Return a queue of `nireq` requests that calls `callback(request, userdata)` when a request is done."""
        return create_queue(self.compiled_model, self.nireq, callback)

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.clear()


def load(tuned: str | Path, model: str | Path | None = None, instance: int | None = None) -> Loaded:
    """Compile the tuned model as `tuned` (a tuned.yaml) says, if that is valid here.

    If the machine's hard facts, the model's graph or the size of its weights aren't the tuned ones, OpenVINO's own
    hint is applied instead, and `.decision` says why. Another model than the tuned one is compiled as it is: the
    tuned shapes aren't set, and its inputs may be dynamic. Call this once, before the process creates any other
    OpenVINO Core: OpenVINO reads the CPU mask only then. If the mask comes too late and OpenVINO therefore runs
    the config differently, the hint is applied. If the config splits the graph, the file of the weights stays
    mapped until the process ends, so don't load such a config repeatedly in one process.

    Args:
        tuned: path of the tuned.yaml.
        model: path of the model, if it isn't where the file says.
        instance: the number of this process, from 0, if the config is for several processes side by side.

    Raises:
        InputError: `instance` is missing where it is needed, or there is no such instance.
        TunedError: the file can't be used, or is for GenAI's paged attention.
        ModelError: the model can't be found, read or compiled.
        EnvironmentFailure: the process may not use the CPUs of the tuned mask.
    """
    path = Path(tuned)
    content = read_tuned(path)
    if reason := TARGET.why_not(content, content.profiles[0]):
        ways = ways_to_deploy(content, content.profiles[0])
        how = f"The comment at its top says how to deploy it: {ways}."
        raise TunedError(f"autotp.load can't deploy {path}: {reason}. {how}")
    files = locate(Path(model) if model is not None else model_files_path(content, path))
    decision, profile = decide(content, files, _process_topology())
    if decision.applied:
        plans = tuned_plans(content, profile, files, content.model.shapes)
        compiled = compile_plan(plans[_instance(profile, instance)])
        if not (changed := _effective_differences(profile, compiled)):
            return Loaded(compiled.compiled_model, compiled.nireq, decision)
        reason = "OpenVINO runs the config differently here than when it was tuned"
        decision = Decision(False, reason, decision.differences + changed)
    elif content.model.shapes and not decision.same_model:
        reason = f"{decision.reason}, so it keeps its own input shapes"
        decision = Decision(False, reason, decision.differences)
    compiled = compile_plan(_fallback_plan(content, profile, files, decision))
    return Loaded(compiled.compiled_model, compiled.nireq, decision)


@cache
def _process_topology() -> Topology:
    """Return the machine and envelope as they were at the first load; later loads would see the mask it set."""
    return probe()


def _instance(profile: Profile, instance: int | None) -> int:
    """Return the number of this process among those of the config: `instance`, or 0 if there is only one."""
    count = len(profile.affinity or ("",))
    if instance is None and count > 1:
        raise InputError(
            f"This config is for {count} processes side by side: say with `instance`, from 0 to {count - 1}, "
            "which of them this one is."
        )
    if instance is not None and not 0 <= instance < count:
        raise InputError(
            f"There is no instance {instance}: this config is for {count} process(es), counted from 0."
        )
    return instance or 0


def _fallback_plan(content: Tuned, profile: Profile, files: ModelFiles, decision: Decision) -> Plan:
    """Return the plan of the hint: for the tuned model in its tuned shapes, for any other one as that is."""
    mask = _process_topology().envelope.cpus if profile.affinity else None  # undo a tuned mask
    properties = fallback_properties(content, profile)
    if decision.same_model:
        return Plan(files=files, shapes=content.model.shapes, properties=properties, mask=mask)
    if content.model.kind is not ModelKind.LLM and files.is_language_model:
        files = msgspec.structs.replace(files, kind=ModelKind.IR)  # all its logits: nothing was said of the last
    return Plan(files=files, shapes=None, properties=properties, mask=mask)


def _effective_differences(profile: Profile, compiled: Compiled) -> tuple[Difference, ...]:
    """Return how the effective config observed here differs from the tuned one, where both are known."""
    if profile.effective is None:
        return ()
    facts = ("streams", "threads", "split_nodes", "precision", "pinned")
    pairs = [(fact, getattr(profile.effective, fact), getattr(compiled.effective, fact)) for fact in facts]
    return tuple(Difference(f, tuned, here) for f, tuned, here in pairs if tuned is not None and tuned != here)
