"""Commands that only look at files answer at once: each loads what it uses and nothing else."""

from pathlib import Path

import pytest

from autotp.cli import COMMANDS
from autotp.topology.hardware.cpuinfo import read_cpu_model
from autotp.topology.tree.tree import Tree
from tests.support.loaded_modules import modules_of_command
from tests.support.trees import Described, build

TUNED = Path(__file__).parents[2] / "results" / "reference" / "rec" / "tuned.yaml"
TUNER = {"openvino", "optuna", "optuna_dashboard", "plotly", "scipy", "sqlalchemy"}
ANYTHING_HEAVY = TUNER | {"numpy", "multiprocessing", "autotp.tuning", "autotp.measuring", "autotp.deploy"}
NAMED = read_cpu_model(Tree(None)).name is not None


@pytest.fixture
def described(tmp_path: Path) -> str:
    """A recorded machine of two sockets, whose files name its processor."""
    return str(build(Described(sockets=2), tmp_path))


def test_help_loads_no_library_but_click() -> None:
    """What it prints stands in the modules of the command line."""
    modules = modules_of_command("--help")
    assert "click" in modules
    assert modules & {*ANYTHING_HEAVY, "cpuinfo", "msgspec", "rich", "yaml", "autotp.topology"} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_help_loads_nothing_that_tunes(command: str) -> None:
    """Its options, those of all workloads included, are read from declarations."""
    assert modules_of_command(command, "--help") & {*TUNER, "cpuinfo", "rich"} == set()


@pytest.mark.parametrize("command", ["probe", "health"])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_recorded_machine_is_described_without_numpy(
    command: str, flags: tuple[str, ...], described: str
) -> None:
    """Reading files and printing them takes neither NumPy nor what tunes, nor rich where JSON is asked for."""
    modules = modules_of_command(command, *flags, "--sysroot", described)
    assert modules & {*ANYTHING_HEAVY, "cpuinfo", "yaml"} == set()
    assert ("rich" in modules) == (not flags)


@pytest.mark.parametrize("command", ["probe", "health"])
def test_the_machine_at_hand_is_described_without_numpy(command: str) -> None:
    """py-cpuinfo is asked only where this machine's own files don't name the processor."""
    modules = modules_of_command(command)
    assert modules & {*ANYTHING_HEAVY, "yaml"} == set()
    if NAMED or command == "health":
        assert "cpuinfo" not in modules


@pytest.mark.parametrize("flags", [(), ("--explain",), ("--json", "--explain")])
def test_a_space_is_shown_without_the_tuner(flags: tuple[str, ...], described: str) -> None:
    """Configs are counted with NumPy; nothing is measured, so nothing that measures is loaded."""
    modules = modules_of_command("space", "default", *flags, "--sysroot", described)
    assert modules & {*TUNER, "cpuinfo", "multiprocessing", "autotp.measuring", "autotp.deploy"} == set()


def test_a_tuned_file_is_shown_without_the_tuner() -> None:
    """A file is read and held against this machine: no study, no statistics, no OpenVINO."""
    modules = modules_of_command("show", str(TUNED))
    assert "autotp.deploy" in modules
    assert modules & {*ANYTHING_HEAVY - {"autotp.deploy"}, "cpuinfo"} == set()
