"""Caches, what shares them, and what is left when files about them are missing."""

from pathlib import Path

import pytest

from autotp.errors import TopologyError
from autotp.topology.hardware.caches import parse_size
from tests.support.cpu_tables import CPU, files, machine, two_sockets


def _index(cpu: int, index: int, **facts: str) -> dict[str, str]:
    return {f"{CPU}/cpu{cpu}/cache/index{index}/{name}": text for name, text in facts.items()}


def test_each_cache_is_listed_once(tmp_path: Path) -> None:
    """A cache that several CPUs list counts once; offline CPUs that share it are left out."""
    tree = files(two_sockets(), online={0, 1, 4})
    for cpu in (0, 4):
        tree |= _index(cpu, 0, level="1", type="Data", size="48K", shared_cpu_list="0,4")
    tree |= _index(1, 0, level="1", type="Data", size="48K", shared_cpu_list="1,5")
    for cpu in (0, 1, 4):
        tree |= _index(cpu, 1, level="3", type="Unified", size="2M", shared_cpu_map="33")
    caches = machine(tmp_path, tree).caches
    assert [(c.level, c.kind, c.size_bytes, c.cpus) for c in caches] == [
        (1, "data", 49152, (0, 4)),
        (1, "data", 49152, (1,)),
        (3, "unified", 2**21, (0, 1, 4)),
    ]


def test_a_machine_without_cache_folders_has_none(tmp_path: Path) -> None:
    """Caches are a fact that may be unknown."""
    assert machine(tmp_path, files(two_sockets())).caches == ()


def test_missing_facts_of_a_cache(tmp_path: Path) -> None:
    """Size and type may be unknown; with an empty mask the core shares it; without a level it is no cache."""
    tree = files(two_sockets(), online={0, 4})
    tree |= _index(0, 0, level="2", shared_cpu_map="0") | _index(4, 0, size="1K", shared_cpu_map="1")
    (cache,) = machine(tmp_path, tree).caches
    assert (cache.level, cache.kind, cache.size_bytes, cache.cpus) == (2, "unknown", None, (0, 4))


@pytest.mark.parametrize("hole", [0, 1])
def test_a_missing_index_hides_no_other(tmp_path: Path, hole: int) -> None:
    """Where one of a CPU's caches has no level, the later ones are found all the same."""
    tree = files(two_sockets())
    for level in {1, 2, 3} - {hole + 1}:
        tree |= _index(0, level - 1, level=f"{level}", type="Unified", size="2M", shared_cpu_map="1")
    tree |= _index(0, hole, size="2M")
    assert {cache.level for cache in machine(tmp_path, tree).caches} == {1, 2, 3} - {hole + 1}


def test_damaged_sizes_name_their_file(tmp_path: Path) -> None:
    """A size that can't be understood is an error, not a cache of another size."""
    tree = files(two_sockets()) | _index(0, 0, level="1", size="many", shared_cpu_map="1")
    with pytest.raises(TopologyError, match="index0/size: 'many'"):
        machine(tmp_path, tree)


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("48K", 48 << 10), ("2M", 2 << 20), ("1G", 1 << 30)])
def test_sizes_have_units(text: str, size: int) -> None:
    """Sizes are in bytes unless a unit says otherwise."""
    assert parse_size(text) == size
