"""What the run with the lowest versions reads from pyproject.toml."""

from tests.evidence.lowest_versions import direct_dependencies, lowest_python

PROJECT = {
    "requires-python": ">=3.11",
    "dependencies": ["openvino>=2026.4", "optuna>=5,<6", "tomli; python_version < '3.11'", "scipy"],
    "optional-dependencies": {"dev": ["pytest>=9", "types-PyYAML~=6.0"], "genai": ["openvino-genai"]},
}


def test_the_lowest_python_is_that_which_is_required() -> None:
    """Without the comparison."""
    assert lowest_python(PROJECT) == "3.11"


def test_packages_are_those_of_the_project_and_its_tests() -> None:
    """Without bounds and markers, and without extras that the tests do without."""
    assert direct_dependencies(PROJECT) == ["openvino", "optuna", "tomli", "scipy", "pytest", "types-PyYAML"]
