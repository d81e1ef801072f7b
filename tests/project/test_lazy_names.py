"""Packages that import their names on first use offer the same as if they had imported them at once."""

import ast
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.loaded_modules import modules_of

ROOT = Path(__file__).parents[2]


def _lazy_packages() -> list[str]:
    faces = sorted((ROOT / "autotp").rglob("__init__.py"))
    lazy = (face for face in faces if "lazy_names(" in face.read_text())
    return [".".join(face.parent.relative_to(ROOT).parts) for face in lazy]


LAZY = _lazy_packages()


def _package(name: str) -> tuple[ModuleType, list[str]]:
    package = import_module(name)
    return package, list(package.__all__)


def _imports_for_type_checkers(package: ModuleType) -> dict[str, str]:
    """Each of autotp's names that the package imports where it is only read, and the module that it comes from."""
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    own = (node for node in imports if node.module and node.module.startswith("autotp."))
    return {alias.name: str(node.module) for node in own for alias in node.names}


def test_the_package_and_three_rooms_are_lazy() -> None:
    """The test finds what it is about."""
    assert {"autotp", "autotp.space", "autotp.runtime", "autotp.files"} <= set(LAZY)


@pytest.mark.parametrize("name", LAZY)
def test_what_a_checker_sees_is_what_is_imported(name: str) -> None:
    """Each public name is the very object of the module from which type checkers see it imported."""
    package, names = _package(name)
    seen = _imports_for_type_checkers(package)
    assert dir(package) == sorted(names) == sorted(seen)
    for public, module in seen.items():
        assert getattr(package, public) is getattr(import_module(module), public), public


@pytest.mark.parametrize("name", LAZY)
def test_another_name_is_an_attribute_error(name: str) -> None:
    """As with any module, and in its words."""
    package, _ = _package(name)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        getattr(package, "nothing")  # noqa: B009  # a checker knows that it isn't there


@pytest.mark.parametrize("name", LAZY)
def test_no_module_hides_a_name(name: str) -> None:
    """A module in the package becomes an attribute of it as soon as anyone imports it."""
    package, names = _package(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules & set(names) == set()


@pytest.mark.parametrize(
    ("program", "needless"),
    [
        (
            "from autotp.space import Config, load_space, affinity, Effective",
            {"numpy", "autotp.space.bound_space"},
        ),
        ("from autotp.runtime import locate, Attention", {"numpy", "autotp.runtime.compile"}),
        ("from autotp.files import is_file", {"yaml", "msgspec"}),
    ],
)
def test_a_name_loads_its_own_module_alone(program: str, needless: set[str]) -> None:
    """Whoever wants one name of a package doesn't pay for the others."""
    assert modules_of(program) & needless == set()


def test_workers_import_what_drives_a_model_before_they_are_forked() -> None:
    """A name that is imported on first use would be imported anew in each of them."""
    modules = modules_of("import autotp.measuring.child.worker")
    inference = (f"autotp.runtime.inference.{name}" for name in ("inputs", "requests", "generate"))
    assert modules >= {"numpy", "autotp.measuring.workload.token_driver", *inference}
