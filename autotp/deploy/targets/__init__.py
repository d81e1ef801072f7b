"""The targets there are: the modules of this folder that hold a `TARGET`."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from autotp.deploy.targets.target import Target
from autotp.deploy.tuned import Profile, Tuned


@cache
def targets() -> tuple[Target, ...]:
    """Return every target, the one to recommend first."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found: list[Target] = [module.TARGET for module in modules if hasattr(module, "TARGET")]
    return tuple(sorted(found, key=lambda target: target.order))


def ways_to_deploy(tuned: Tuned, profile: Profile) -> str:
    """Return in words how `profile`, a profile of `tuned`, can be deployed: by each target that can."""
    able = [target for target in targets() if target.reason_not(tuned, profile) is None]
    return ", or ".join(target.instructions(tuned, profile) for target in able)
