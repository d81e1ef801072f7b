"""The sizes in the machine's and the nodes' meminfo."""

from pathlib import Path

import pytest

from autotp.topology.memory import read_total_bytes
from autotp.topology.tree import Tree
from tests.test_topology_tree import write


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
