"""Performance and efficient cores, from whichever evidence the machine gives."""

from pathlib import Path

import pytest

from autotp.topology.hardware.machine import Machine
from tests.support.cpu_tables import CPU, Row, files, machine

# Two cores of two threads (CPUs 0 to 3) and four single ones (4 to 7), as on a small hybrid.
HYBRID = [Row(id=cpu, core=cpu // 2 if cpu < 4 else cpu, socket=0, node=0) for cpu in range(8)]


def _cores(found: Machine) -> tuple[int, int]:
    return found.performance_cores, found.efficient_cores


def _capacities(*values: int) -> dict[str, str]:
    return {f"{CPU}/cpu{cpu}/cpu_capacity": f"{value}" for cpu, value in enumerate(values)}


def test_perf_units_list_both_kinds(tmp_path: Path) -> None:
    """The CPUs of `cpu_atom` are efficient, and cores are counted rather than threads."""
    tree = {"sys/devices/cpu_core/cpus": "0-3", "sys/devices/cpu_atom/cpus": "4-7"}
    found = machine(tmp_path, files(HYBRID) | tree)
    assert _cores(found) == (2, 4)
    assert [cpu.id for cpu in found.cpus if cpu.kind == "efficient"] == [4, 5, 6, 7]


def test_efficient_cores_alone_are_no_hybrid(tmp_path: Path) -> None:
    """Where every online core is of the slower kind, there is only one kind."""
    tree = files(HYBRID, online={4, 5}) | {"sys/devices/cpu_atom/cpus": "4-7"}
    assert _cores(machine(tmp_path, tree)) == (2, 0)


@pytest.mark.parametrize(
    ("capacities", "cores"),
    [
        ((1024,) * 8, (6, 0)),
        ((1024,) * 4 + (446,) * 4, (2, 4)),
        ((1024, 1024, 983, 983) + (620,) * 4, (2, 4)),
        ((1024, 1024, 983, 983, 1010, 1000, 990, 980), (6, 0)),
        ((1024, 1024, 871, 871, 871, 250, 250, 250), (3, 3)),
        ((0,) * 8, (6, 0)),
    ],
)
def test_capacities_tell_kinds(tmp_path: Path, capacities: tuple[int, ...], cores: tuple[int, int]) -> None:
    """The widest step in capacity parts the kinds; differences between favoured cores are no step."""
    assert _cores(machine(tmp_path, files(HYBRID) | _capacities(*capacities))) == cores


def test_first_level_caches_tell_kinds(tmp_path: Path) -> None:
    """A recording with nothing but caches still shows which cores are the small ones."""
    tree = files(HYBRID)
    for cpu in range(8):
        folder = f"{CPU}/cpu{cpu}/cache/index0"
        tree |= {
            f"{folder}/level": "1",
            f"{folder}/type": "Data",
            f"{folder}/size": "48K" if cpu < 4 else "32K",
        }
        tree[f"{folder}/shared_cpu_list"] = f"{cpu}"
    assert _cores(machine(tmp_path, tree)) == (2, 4)


def test_unlike_sockets_are_no_hybrid(tmp_path: Path) -> None:
    """Two sockets of different models have other caches, which makes neither's cores efficient ones."""
    tree = files([Row(id=0, core=0, socket=0, node=0), Row(id=1, core=0, socket=1, node=0)])
    for cpu, size in enumerate(("48K", "32K")):
        folder = f"{CPU}/cpu{cpu}/cache/index0"
        tree |= {f"{folder}/level": "1", f"{folder}/type": "Data", f"{folder}/size": size}
        tree[f"{folder}/shared_cpu_list"] = f"{cpu}"
    assert _cores(machine(tmp_path, tree)) == (2, 0)
