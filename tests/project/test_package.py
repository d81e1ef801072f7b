"""The package as others meet it: light to import, and what it offers."""

import statistics
import subprocess
import sys
from time import perf_counter

import pytest

import autotp
from tests.support.loaded_modules import modules_of, modules_of_command

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
BARE = (sys.executable, "-c", "pass")
IMPORT = (sys.executable, "-c", "import autotp")
HELP = (sys.executable, "-m", "autotp", "--help")


def overhead_s(command: tuple[str, ...], runs: int = 9) -> float:
    """The median of how many seconds more `command` takes than a bare interpreter, in alternation."""

    def seconds(argv: tuple[str, ...]) -> float:
        started = perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        return perf_counter() - started

    return statistics.median(seconds(command) - seconds(BARE) for _ in range(runs))


def test_importing_loads_nothing_heavy() -> None:
    """`import autotp` loads none of its dependencies, and none of its own rooms."""
    modules = modules_of("import autotp")
    assert modules & {*HEAVY, "click", "msgspec"} == set()
    assert {name for name in modules if name.startswith("autotp.")} == {"autotp.lazy"}


def test_a_commands_help_loads_nothing_heavy() -> None:
    """`autotp tune --help` answers without OpenVINO and Optuna."""
    assert modules_of_command("tune", "--help") & set(HEAVY) == set()


def test_deploying_leaves_the_tuner_out() -> None:
    """`autotp.load` is reached without Optuna, scipy and py-cpuinfo."""
    modules = modules_of("import autotp; autotp.load")
    assert "autotp.deploy" in modules
    assert modules & {"optuna", "cpuinfo", "scipy", "sqlalchemy", "click", "rich"} == set()


@pytest.mark.parametrize(("command", "limit_s"), [(IMPORT, 0.030), (HELP, 0.150)], ids=["import", "help"])
def test_starting_is_quick(command: tuple[str, ...], limit_s: float) -> None:
    """`import autotp` adds under 30 ms to a bare interpreter, `--help` under 150 ms; the best try counts."""
    assert min(overhead_s(command) for _ in range(3)) < limit_s


def test_the_package_offers_what_it_names() -> None:
    """Every public name loads; another one is an AttributeError; the version is there for `--version`."""
    assert all(getattr(autotp, name) is not None for name in autotp.__all__)
    assert set(dir(autotp)) == set(autotp.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = autotp.nothing  # type: ignore[attr-defined]
