"""The CPUs' time in /proc/stat."""

from pathlib import Path

import pytest

from autotp.topology.tree.ticks import Ticks, read_ticks, ticks_of
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write


def _ticks(root: Path, stat: str) -> dict[int, Ticks]:
    return read_ticks(Tree(write(root, {"proc/stat": stat})))


def test_each_cpu_has_its_time(tmp_path: Path) -> None:
    """Guest time isn't counted twice, and the line of all CPUs together isn't a CPU."""
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 100 100\ncpu12 0 0 0 1 0 0 0 0 0 0\nintr 5\n"
    assert _ticks(tmp_path, stat) == {0: Ticks(total=36, idle=9, steal=8), 12: Ticks(total=1, idle=1, steal=0)}


def test_old_kernels_tell_no_steal(tmp_path: Path) -> None:
    """A line of fewer columns has a total, but what was stolen is unknown."""
    assert _ticks(tmp_path, "cpu3 1 2 3 4\n") == {3: Ticks(total=10, idle=4, steal=None)}


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    """Lines that aren't the kernel's say nothing."""
    assert _ticks(tmp_path, "cpu1 x y\ncpu 1\ncpu123456 1\n\0\n") == {}


@pytest.mark.parametrize(("cpus", "seen"), [((0, 1), {0: 1, 1: 2}), ((8, 4), {4: 1, 8: 2}), ((1, 4, 8), {1: 2})])
def test_renumbered_lines_are_those_of_the_cpus_in_order(cpus: tuple[int, ...], seen: dict[int, int]) -> None:
    """Lines with other ids are known by their order if there are as many; else those of the same id count."""
    ticks = {1: Ticks(total=2, idle=0, steal=0), 0: Ticks(total=1, idle=0, steal=0)}
    assert {cpu: found.total for cpu, found in ticks_of(cpus, ticks).items()} == seen
