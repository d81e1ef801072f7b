"""Where tests are: beside the module that they test, with what they share in one place that asserts nothing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.with_name("autotp")
FILES = sorted(TESTS.rglob("*.py"))
ROOMS = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists())

# In parts, so that no text of this file imports a test module.
FOLDER, MODULE = "tests.files", "test_strict"
ONE = f"{FOLDER}.{MODULE}"

# Tests of several modules at once, which are named after what they have in common.
CROSS_CUTTING = {
    "cli/test_language_model.py",
    "cli/test_loaded_modules.py",
    "cli/test_lock.py",
    "cli/test_main.py",
    "cli/test_quota.py",
    "cli/test_tensor_parallel.py",
    "measuring/test_faults.py",
    "topology/test_garbage.py",
    "topology/test_generated.py",
}


def imported(source: str) -> Iterator[str]:
    """The modules that a program imports, and those that the programs in its texts do."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "import" in node.value:
            yield from _imported_by_text(node.value)


def _imported_by_text(text: str) -> Iterator[str]:
    try:
        yield from imported(text)
    except SyntaxError:
        return


def is_test_module(module: str) -> bool:
    """Whether a module of that name holds tests."""
    first, *rest = module.split(".")
    return first == "tests" and any(part.startswith("test_") for part in rest)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (f"import {ONE}", True),
        (f"from {ONE} import read", True),
        (f"from {FOLDER} import {MODULE}", True),
        (f"PROGRAM = 'from {ONE} import read; read()'", True),
        (f"PROGRAM = 'no program: import from {ONE}'", False),
        ("from tests.support.models import matmul_model", False),
    ],
)
def test_an_import_of_a_test_module_is_found(source: str, found: bool) -> None:
    """However it is written, and in a program for another process, too."""
    assert any(map(is_test_module, imported(source))) is found


def test_nothing_imports_from_a_test_module() -> None:
    """What tests share is in tests/support; pytest alone knows the modules that hold tests."""
    guilty = {path.relative_to(TESTS): [*filter(is_test_module, imported(path.read_text()))] for path in FILES}
    assert {path: modules for path, modules in guilty.items() if modules} == {}


def relative(path: Path) -> Path:
    """The path below the folder of tests."""
    return path.relative_to(TESTS)


def narrows(statement: ast.Assert) -> bool:
    """Whether an assertion is for the type checker alone: `isinstance`, `callable` or `is not None`."""
    asked = statement.test
    if isinstance(asked, ast.Call) and isinstance(asked.func, ast.Name):
        return asked.func.id in ("isinstance", "callable")
    return isinstance(asked, ast.Compare) and isinstance(asked.ops[0], ast.IsNot)


def asserts(node: ast.AST) -> bool:
    """Whether this is a test, or a part of one."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name.lower().startswith("test")
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pytest":
        return node.attr in ("raises", "fail", "warns")
    return isinstance(node, ast.Assert) and not narrows(node)


def test_support_asserts_nothing() -> None:
    """Builders and machines hold no tests and decide none."""
    found = [
        f"{path.name}:{getattr(node, 'lineno', 0)}"
        for path in FILES
        if path.parent.name == "support"
        for node in ast.walk(ast.parse(path.read_text()))
        if asserts(node)
    ]
    assert found == []


def test_each_test_module_is_named_after_the_module_that_it_tests() -> None:
    """`tests/files/test_atomic.py` tests `autotp/files/atomic.py`; few test several, and those are listed."""
    modules = {
        path for path in map(relative, FILES) if path.name.startswith("test_") and path.parts[0] != "project"
    }
    mirrored = {path for path in modules if (PACKAGE / path.with_name(path.name.removeprefix("test_"))).exists()}
    assert {path.as_posix() for path in modules - mirrored} == CROSS_CUTTING


def test_tests_lie_in_rooms() -> None:
    """In the folder of a room, with the tests of the project as a whole, or at the top as what they test is."""
    folders = {relative(path).parent.parts[:1] for path in FILES if path.name.startswith("test_")}
    assert folders <= {(), ("project",), *((room,) for room in ROOMS)}
