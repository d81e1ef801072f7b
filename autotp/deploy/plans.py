"""The plans of a tuned profile's processes; `load` and `compare` both use them."""

from collections.abc import Mapping

from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime.compile import Plan
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import Shape
from autotp.space.knobs.config import Config
from autotp.topology.tree.cpulist import parse_cpulist


def tuned_plans(
    tuned: Tuned,
    profile: Profile,
    files: ModelFiles,
    shapes: Mapping[str, Shape],
    attention: Attention = Attention.SDPA,
) -> tuple[Plan, ...]:
    """Return one plan for each process of `profile` (one of `tuned`), exactly as it was measured."""
    return tuple(
        Plan(
            files=files,
            shapes=dict(shapes),
            properties=profile.properties,
            mask=None if mask is None else parse_cpulist(mask),
            nireq=tuned.workload.nireq,
            split=Config.of(profile.config).graph_split,
            attention=attention,
        )
        for mask in profile.affinity or (None,)
    )
