"""The package as others meet it: light to import, and what it offers."""

import pytest

import autotp
from tests.support.loaded_modules import modules_of

HEAVY = (
    "openvino",
    "optuna",
    "numpy",
    "scipy",
    "sqlalchemy",
    "cpuinfo",
    "rich",
    "yaml",
    "plotly",
    "optuna_dashboard",
)


def test_importing_loads_nothing_heavy() -> None:
    """`import autotp` loads none of its dependencies, and none of its own rooms."""
    modules = modules_of("import autotp")
    assert modules & {*HEAVY, "click", "msgspec"} == set()
    assert [name for name in modules if name.startswith("autotp.")] == []


def test_deploying_leaves_the_tuner_out() -> None:
    """`autotp.load` is reached without Optuna, scipy and py-cpuinfo."""
    modules = modules_of("import autotp; autotp.load")
    assert "autotp.deploy" in modules
    assert modules & {"optuna", "cpuinfo", "scipy", "sqlalchemy", "click", "rich"} == set()


def test_the_package_offers_what_it_names() -> None:
    """Every public name loads; another one is an AttributeError; the version is there for `--version`."""
    assert all(getattr(autotp, name) is not None for name in autotp.__all__)
    assert set(dir(autotp)) == set(autotp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = autotp.nothing
