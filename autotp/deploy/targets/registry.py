"""The list of targets: each is a module of this folder that defines `TARGET`."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from autotp.deploy import targets as package
from autotp.deploy.targets.target import Target
from autotp.deploy.tuned import Profile, Tuned


@cache
def targets() -> tuple[Target, ...]:
    """Return every target; the first is the one to recommend."""
    modules = [import_module(f"{package.__name__}.{module.name}") for module in iter_modules(package.__path__)]
    found: list[Target] = [module.TARGET for module in modules if hasattr(module, "TARGET")]
    return tuple(sorted(found, key=lambda target: target.order))


def ways_to_deploy(tuned: Tuned, profile: Profile) -> str:
    """Return the instructions of every target that can deploy `profile` (one of `tuned`), joined by "or"."""
    able = [target for target in targets() if target.why_not(tuned, profile) is None]
    return ", or ".join(target.instructions(tuned, profile) for target in able)
