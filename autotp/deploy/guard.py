"""The guard decides whether a tuned config may be applied on this machine to this model. It applies nothing."""

from pathlib import Path
from typing import Any

import msgspec

from autotp.deploy.tuned import Profile, Tuned, TunedModel
from autotp.files.links import as_given
from autotp.findings.metric import METRICS
from autotp.runtime.models.digest import Digest, digest
from autotp.runtime.models.model_files import ModelFiles
from autotp.space.knobs.config import Config
from autotp.topology.probe import Topology
from autotp.topology.tree.cpulist import format_cpulist, parse_cpulist


class Difference(msgspec.Struct, frozen=True):
    """A fact whose value here isn't the tuned one."""

    fact: str
    tuned: Any
    here: Any

    def __str__(self) -> str:
        return f"{self.fact}: tuned {self.tuned}, here {self.here}"


class Decision(msgspec.Struct, frozen=True):
    """Whether the tuned config is applied, why, and what differs. Differing soft facts alone don't prevent it."""

    applied: bool
    reason: str
    differences: tuple[Difference, ...] = ()

    @property
    def same_model(self) -> bool:
        """Whether the model is the tuned one."""
        return not {difference.fact for difference in self.differences} & set(Digest.__struct_fields__)


def decide(tuned: Tuned, files: ModelFiles, topology: Topology) -> tuple[Decision, Profile]:
    """Choose the profile for this machine, and decide whether it may be applied here to this model.

    Returns:
        The decision, and its profile: the one with the fingerprint of this machine, else the first.

    Raises:
        ModelError: the model's files can't be read.
    """
    here = topology.fingerprint
    exact = [profile for profile in tuned.profiles if profile.machine.fingerprint == here.id]
    profile = exact[0] if exact else tuned.profiles[0]
    soft = _differences(profile.machine.soft, here.soft)
    model = digest(files)
    if changed := _differences(_digest_facts(tuned.model), _digest_facts(model)):
        return Decision(False, f"{files.path.name} is not the model that was tuned", changed + soft), profile
    if not exact:
        hard = _differences(profile.machine.hard, here.hard)
        return Decision(False, "this machine is not one that was tuned for", hard + soft), profile
    if missing := _missing_cpus(profile, topology):
        outside = Difference("cpus", ", ".join(profile.affinity or ()), format_cpulist(topology.envelope.cpus))
        return Decision(False, f"the process may not use CPU {missing[0]}", (outside, *soft)), profile
    reason = "same machine and model as tuned" + (", other software or microcode" if soft else "")
    return Decision(True, reason, soft), profile


def fallback_properties(tuned: Tuned, profile: Profile) -> dict[str, str]:
    """Return the properties of OpenVINO's hint to use instead: the baseline's hint, else the objective's."""
    objective = METRICS.get(tuned.objective.metrics[0])
    hint = profile.result.baseline.config.get("performance_hint", objective.hint if objective else "latency")
    return Config.of({"performance_hint": hint}).properties()


def _missing_cpus(profile: Profile, topology: Topology) -> list[int]:
    """Return the CPUs of the tuned masks that this process may not use; the fingerprint holds no CPU ids."""
    tuned = {cpu for mask in profile.affinity or () for cpu in parse_cpulist(mask)}
    return sorted(tuned - set(topology.envelope.cpus))


def _digest_facts(model: TunedModel | Digest) -> dict[str, Any]:
    return {fact: getattr(model, fact) for fact in Digest.__struct_fields__}


def _differences(tuned: dict[str, Any], here: dict[str, Any]) -> tuple[Difference, ...]:
    facts = dict.fromkeys([*tuned, *here])
    return tuple(
        Difference(fact, tuned.get(fact), here.get(fact)) for fact in facts if tuned.get(fact) != here.get(fact)
    )


def model_files_path(tuned: Tuned, tuned_path: Path) -> Path:
    """Return the path of the model; links in it are kept.

    In the file it is relative to the folder of the file. If the file itself is a link and the model isn't in the
    folder of that link, the path is relative to the folder of the file that the link leads to.
    """
    folders = tuned_path.parent, tuned_path.resolve().parent
    paths = [as_given(folder / tuned.model.path) for folder in folders]
    return next((path for path in paths if path.exists()), paths[0])
