"""Packages that import each of their names on first use: a module's own `__getattr__` and `__dir__` (PEP 562).

A package offers names of many modules, some of which import NumPy or OpenVINO's graph code. Whoever wants one name
pays for the module that holds it and for nothing else, so that a command which prints a few lines starts at once:

    if TYPE_CHECKING:
        from autotp.space.bound_space import bind
        from autotp.space.knobs.config import Config
    else:
        __getattr__, __dir__ = lazy_names(__name__, {"bound_space": ("bind",), "knobs.config": ("Config",)})

Type checkers and import-linter read the first branch. No name may be that of a module in the package: Python makes
an imported module an attribute of its package, where it would hide the name.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of `package`.

    Args:
        package: its full name.
        modules: each module below it that holds names, and the names.
    """
    home = {name: f"{package}.{module}" for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return load, lambda: sorted(home)
