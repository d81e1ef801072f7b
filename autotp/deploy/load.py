"""`autotp.load`: exactly what was measured, or a stated fallback.

The compile goes through the same `runtime` function as the workers', with exactly the properties that
the file holds. A process that loads a model imports nothing that measures or searches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from autotp.deploy.guard import Decision, Difference, decide, fallback_properties, model_files_path
from autotp.deploy.plans import tuned_plans
from autotp.deploy.targets import ways_to_deploy
from autotp.deploy.targets.autotp_load import TARGET
from autotp.deploy.tuned import Profile, Tuned, read_tuned
from autotp.errors import InputError, TunedError
from autotp.runtime import Compiled, ModelFiles, Plan, compile_plan, create_queue, locate, named_outputs
from autotp.topology import Topology, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotp.runtime import AsyncInferQueue, CompiledModel, InferRequest


@dataclass(frozen=True)
class Loaded:
    """A compiled model with the requests to keep in flight; usable as a context manager.

    Attributes:
        compiled_model: OpenVINO's compiled model.
        nireq: infer requests to keep in flight for what was measured.
        decision: whether the tuned config was applied, and why.
    """

    compiled_model: "CompiledModel"
    nireq: int
    decision: Decision
    _requests: "list[InferRequest]" = field(default_factory=list, repr=False)

    def infer(self, inputs: "Mapping[str, NDArray[Any]]") -> "dict[str, NDArray[Any]]":
        """Run one inference and return its outputs by name.

        A model with state goes on from where the inference before left it, until `reset`; a language model's
        logits are those of the last position alone. The request is reused, so calls from several threads must not
        overlap; use `infer_queue` for those.
        """
        if not self._requests:
            self._requests.append(self.compiled_model.create_infer_request())
        return named_outputs(self._requests[0].infer(dict(inputs)))

    def reset(self) -> None:
        """Forget the state that inferences have left: of a language model, what it has read."""
        for request in self._requests:
            request.reset_state()

    def infer_queue(self, callback: "Callable[[InferRequest, Any], None] | None" = None) -> "AsyncInferQueue":
        """Return a queue of `nireq` requests that calls `callback(request, userdata)` as each one ends."""
        return create_queue(self.compiled_model, self.nireq, callback)

    def __enter__(self) -> "Loaded":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.clear()


def load(tuned: str | Path, model: str | Path | None = None, instance: int | None = None) -> Loaded:
    """Compile the tuned model as `tuned` (a tuned.yaml) says, where that holds here.

    Where the machine's hard facts or the model's graph differ from those tuned for, OpenVINO's own hint is
    applied instead, and `.decision` says so. Call this once, before anything else in the process creates an
    OpenVINO Core, which looks at the CPUs it may use then: where a mask that is set later makes it something else
    than what was tuned, the hint is applied. A split in the graph keeps the weights' file mapped while the process
    lives, so restart the process rather than loading such a config anew again and again.

    Args:
        tuned: path of the tuned.yaml.
        model: path of the model, where it isn't where the file says.
        instance: which of the processes this is, from 0, where the config is for several side by side.

    Raises:
        InputError: which instance this is isn't said, or there aren't so many.
        TunedError: the file can't be used, or is for GenAI's paged attention.
        ModelError: the model can't be found, read or compiled.
        EnvironmentFailure: the process may not use the CPUs of the tuned mask.
    """
    path = Path(tuned)
    content = read_tuned(path)
    if reason := TARGET.reason_not(content, content.profiles[0]):
        ways = ways_to_deploy(content, content.profiles[0])
        raise TunedError(f"autotp.load can't deploy {path}: {reason}. As its head says, deploy {ways}.")
    files = locate(Path(model) if model is not None else model_files_path(content, path))
    decision, profile = decide(content, files, _process_topology())
    if decision.applied:
        plans = tuned_plans(content, profile, files, content.model.shapes)
        compiled = compile_plan(plans[_instance(profile, instance)])
        if not (unlike := _unlike(profile, compiled)):
            return Loaded(compiled.compiled_model, compiled.nireq, decision)
        reason = "OpenVINO made something else of the config than when it was tuned"
        decision = Decision(False, reason, decision.differences + unlike)
    compiled = compile_plan(_fallback_plan(content, profile, files))
    return Loaded(compiled.compiled_model, compiled.nireq, decision)


@cache
def _process_topology() -> Topology:
    """Return the machine and envelope as they were at the first load: later ones would see our own mask."""
    return probe()


def _instance(profile: Profile, instance: int | None) -> int:
    """Return the number of the instance that this process is: the only one there is, or the one that is said."""
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


def _fallback_plan(content: Tuned, profile: Profile, files: ModelFiles) -> Plan:
    mask = _process_topology().envelope.cpus if profile.affinity else None  # not the tuned one, if that is set
    properties = fallback_properties(content, profile)
    return Plan(files=files, shapes=content.model.shapes, properties=properties, mask=mask)


def _unlike(profile: Profile, compiled: Compiled) -> tuple[Difference, ...]:
    """Return where the observed effective config differs from the tuned one, as far as both are known."""
    if profile.effective is None:
        return ()
    facts = ("streams", "threads", "split_nodes", "precision", "pinned")
    pairs = [(fact, getattr(profile.effective, fact), getattr(compiled.effective, fact)) for fact in facts]
    return tuple(Difference(f, tuned, here) for f, tuned, here in pairs if tuned is not None and tuned != here)
