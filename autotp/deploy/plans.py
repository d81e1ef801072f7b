"""The plans of a tuned profile's processes; `load` and `compare` both use them."""

from collections.abc import Mapping

from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime import ModelFiles, Plan, Shape
from autotp.space import Config
from autotp.topology import parse_cpulist


def tuned_plans(
    tuned: Tuned, profile: Profile, files: ModelFiles, shapes: Mapping[str, Shape]
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
        )
        for mask in profile.affinity or (None,)
    )
