"""The sizes in the machine's and the nodes' meminfo."""

from pathlib import Path

import pytest

from autotp.topology.envelope.memory import available_memory_bytes, read_total_bytes
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("MemTotal:       16384 kB\nMemFree: 1 kB\n", 2**24),
        ("Node 12 MemTotal:       16384 kB\n", 2**24),
        ("HighMemTotal: 5 kB\n", None),
        ("MemTotal: many kB\n", None),
        ("MemTotal: 99999999999999999 kB\n", None),
        ("", None),
    ],
)
def test_the_total_is_found_or_unknown(tmp_path: Path, text: str, size: int | None) -> None:
    """MemTotal in bytes; what can't be read is unknown."""
    assert read_total_bytes(Tree(write(tmp_path, {"proc/meminfo": text})), "proc/meminfo") == size


V2 = {"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": "1 1 0:1 / /c rw - cgroup2 cgroup2 rw\n"}
GIB = 2**30


def test_the_tightest_of_machine_and_groups_leaves_the_least(tmp_path: Path) -> None:
    """A group leaves its limit less its usage, an ancestor too; a group without a limit says nothing."""
    files = {
        "proc/meminfo": f"MemTotal: {8 * GIB // 1024} kB\nMemAvailable: {4 * GIB // 1024} kB\n",
        **V2,
        "c/a/b/memory.max": "max",
        "c/a/b/memory.current": str(GIB),
    }
    assert available_memory_bytes(Tree(write(tmp_path, files))) == 4 * GIB
    files |= {"c/a/memory.max": str(2 * GIB), "c/a/memory.current": str(GIB)}
    assert available_memory_bytes(Tree(write(tmp_path, files))) == GIB


def test_inactive_file_pages_are_as_good_as_free(tmp_path: Path) -> None:
    """The kernel gives page cache back before it kills; v1 names the sum over a group's children `total_`."""
    mounts = "1 1 0:1 / /c rw - cgroup cgroup rw,memory\n"
    files = {
        "proc/self/cgroup": "3:memory:/\n",
        "proc/self/mountinfo": mounts,
        "c/memory.limit_in_bytes": str(2 * GIB),
        "c/memory.usage_in_bytes": str(2 * GIB),
        "c/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}\n",
    }
    assert available_memory_bytes(Tree(write(tmp_path, files))) == GIB


def test_where_nothing_is_said_nothing_is_known(tmp_path: Path) -> None:
    """Without meminfo and limits the answer is None."""
    assert available_memory_bytes(Tree(write(tmp_path, {"proc/meminfo": "MemTotal: 1 kB\n"}))) is None


def test_the_live_machine_has_some_left() -> None:
    """There is room for this test."""
    left = available_memory_bytes()
    assert left is not None
    assert left > 2**20
