"""Garbage in a recorded tree: the answer is an error that names the file, or an unknown fact; soon in any case.

The places are all that the probe looks at, found by watching it, and the files that it would turn to next.
"""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import TopologyError
from autotp.topology.health.health import health
from autotp.topology.probe import Topology, probe
from autotp.topology.summary import summary
from tests.support.command_line import autotp
from tests.support.described import Described
from tests.support.facts import Facts, probed_facts
from tests.support.garbage import NOTHING, TEXTS, damaged, looked_at
from tests.support.parts import KindsBy, Part
from tests.support.recorded_files import in_memory, write
from tests.support.trees import build, files

MACHINE = Described(
    sockets=2,
    cores_per_node=2,
    smt=2,
    efficient_cores=1,
    kinds_by=KindsBy.CAPACITY,
    offline=(5,),
    memory_node_ids=(4,),
)
LIMITS = {
    "proc/self/cgroup": "0::/a/b\n3:cpu,cpuacct:/c\n4:cpuset:/d\n5:memory:/e\n",
    "proc/self/cpuset": "/d\n",
    "proc/self/mountinfo": (
        "1 0 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "2 0 0:2 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        "3 0 0:3 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        "4 0 0:4 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    ),
    "sys/fs/cgroup/unified/a/b/cpu.max": "300000 100000\n",
    "sys/fs/cgroup/unified/a/memory.max": "8589934592\n",
    "sys/fs/cgroup/unified/a/b/cpuset.cpus.effective": "0-4\n",
    "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "400000\n",
    "sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpuset/d/cpuset.cpus": "0-6\n",
    "sys/fs/cgroup/memory/e/memory.limit_in_bytes": "9223372036854771712\n",
    "proc/stat": "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n",
    "proc/loadavg": "0.50 0.40 0.30 1/100 1234\n",
    "proc/version": "Linux version 6.1.0-13-amd64 (x)\n",
    "proc/sys/kernel/osrelease": "6.1.0-13-amd64\n",
    "proc/sys/kernel/numa_balancing": "1\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7\n",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
}
LONGEST_S = 10.0


def _tree(folder: Path, machine: Described = MACHINE) -> Path:
    return write(build(machine, folder), LIMITS).resolve()


@cache
def places() -> list[str]:
    """What the probe looks at in a whole tree and in one without topology folders, and the files beside."""
    found: set[str] = set()
    for missing in ((), (Part.TOPOLOGY,), (Part.NODE,)):
        machine = Described(sockets=2, missing=missing)
        with in_memory() as folder:
            found |= looked_at(_tree(Path(folder), machine), health)
    whole = {name for name, _ in files(MACHINE)} | set(LIMITS)
    return sorted(found | whole)


PLACES = st.deferred(lambda: st.sampled_from(places()))


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A tree with everything that the probe can read."""
    with in_memory() as folder:
        yield _tree(Path(folder))


@pytest.fixture(scope="module")
def whole(root: Path) -> Topology:
    """What is found in that tree as long as nothing is damaged."""
    return probe(root)


@contextmanager
def _soon() -> Iterator[None]:
    """A hang becomes a failure."""

    def hung(*_: object) -> None:
        raise AssertionError(f"no answer within {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _answer(root: Path, damage: dict[str, Callable[[Path], None]]) -> Topology | None:
    """The topology, or None where an error of one line names one of the damaged files; nothing else may come."""
    with damaged(root, damage), _soon():
        try:
            found = probe(root)
            assert json.dumps(summary(found))
            assert isinstance(health(root), tuple)
        except TopologyError as error:
            text = str(error)
            assert text.isprintable()
            assert any(f"{root}/{name}" in text for name in damage)
            return None
    return found


def _writing(data: bytes) -> Callable[[Path], None]:
    return partial(_write, data)


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)


GARBAGE = st.sampled_from(TEXTS) | st.binary(max_size=30)
THINGS = st.sampled_from(sorted(NOTHING))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(name=PLACES, how=THINGS)
def test_where_nothing_is_known_nothing_is_made_up(root: Path, whole: Topology, name: str, how: str) -> None:
    """Without any one file or folder, CPUs, cores and sockets come from others; other facts become unknown."""
    found = _answer(root, {name: NOTHING[how]})
    if found is not None and name not in ("proc", "sys"):
        _assert_nothing_new(probed_facts(found.machine), probed_facts(whole.machine))


def _assert_nothing_new(found: Facts, whole: Facts) -> None:
    for fact in ("cpus", "cores", "sockets", "package_ids"):
        assert found[fact] == whole[fact], fact
    assert found["model_name"] in (None, whole["model_name"])
    assert found["isa"] in (frozenset(), whole["isa"])
    assert found["nodes"] <= whole["nodes"]
    assert found["memory_bytes"].items() <= whole["memory_bytes"].items()
    assert {cache for cache in found["caches"] if cache[1] != "unknown"} <= whole["caches"]
    assert {size for size in found["cache_bytes"].values() if size is not None} <= {*whole["cache_bytes"].values()}
    assert {distance for row in found["distances"].values() for distance in row} <= {10, 17, 21, 28}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(name=PLACES, data=GARBAGE)
def test_garbage_is_named_or_unknown(root: Path, name: str, data: bytes) -> None:
    """Whatever stands in any one place, the answer is a possible machine or an error that names that place."""
    found = _answer(root, {name: _writing(data)})
    if found is not None:
        _assert_possible(found)


def _assert_possible(found: Topology) -> None:
    """Numbers that were believed are such as there are on some machine."""
    machine, envelope = found.machine, found.envelope
    assert all(1 <= cache.level <= 10 and (cache.size_bytes or 1) > 0 for cache in machine.caches)
    assert {cache.kind for cache in machine.caches} <= {"data", "instruction", "unified", "unknown"}
    assert all(distance >= 0 for node in machine.nodes for distance in node.distances)
    assert all((node.memory_bytes or 0) >= 0 for node in machine.nodes)
    assert {cpu.node for cpu in machine.cpus} <= {node.id for node in machine.nodes}
    assert set(envelope.cpus) <= {cpu.id for cpu in machine.cpus}
    assert envelope.cpu_quota is None or envelope.cpu_quota >= 0.001


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    damage=st.dictionaries(PLACES, GARBAGE.map(_writing) | THINGS.map(NOTHING.__getitem__), min_size=2, max_size=6)
)
def test_much_garbage_at_once_is_named_or_unknown(root: Path, damage: dict[str, Callable[[Path], None]]) -> None:
    """With several places damaged, whole folders among them, the error names one of them, or the rest is found."""
    found = _answer(root, damage)
    assert found is None or found.machine.cpus


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("sys/devices/system/cpu/cpu0/cache/index0/level", b"-1"),
        ("sys/devices/system/cpu/cpu0/cache/index0/level", b"0"),
        ("sys/devices/system/cpu/cpu0/cpu_capacity", b"18446744073709551616"),
        ("sys/devices/system/node/node0/distance", b"10 -1 21"),
        ("sys/fs/cgroup/cpu/c/cpu.cfs_period_us", b"18446744073709551616"),
        ("sys/fs/cgroup/unified/a/b/cpu.max", b"100000 18446744073709551616"),
    ],
)
def test_numbers_that_no_kernel_writes_are_refused(root: Path, name: str, data: bytes) -> None:
    """A number is not believed because it is one: beyond the kernel's own bounds it names its file."""
    assert _answer(root, {name: _writing(data)}) is None


@pytest.mark.parametrize("how", sorted(NOTHING))
def test_no_folder_is_needed(root: Path, how: str) -> None:
    """Each folder in turn becomes something else: a file, a pipe, a loop, a link to the running machine."""
    folders = [name for name in places() if any(other.startswith(f"{name}/") for other in places())]
    assert len(folders) > 40
    for name in folders:
        _answer(root, {name: NOTHING[how]})


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("sys/devices/system/cpu/online", b"0-4000000000\n"),
        ("sys/devices/system/cpu/cpu0/topology/core_cpus", b"0-3\n"),
        ("sys/devices/system/cpu/cpu2/cache/index0/size", b"\xff\xfe\0K"),
        ("sys/devices/system/node/node1/cpumap", b"-"),
        ("sys/fs/cgroup/unified/a/b/cpu.max", b"100000 0\n"),
    ],
)
def test_the_command_line_names_the_file_in_one_line(root: Path, name: str, data: bytes) -> None:
    """A recorded tree that can't be understood is bad input: exit code 2, one line, no traceback."""
    with damaged(root, {name: _writing(data)}):
        code, out, err = autotp("probe", "--sysroot", str(root))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"{root}/{name}" in err


@pytest.mark.parametrize("how", ["loop", "folder", "sparse"])
def test_the_command_line_names_what_is_no_file(root: Path, how: str) -> None:
    """So is a loop of links, a folder or a monstrous file in the place of a file that must be read."""
    with damaged(root, {"sys/devices/system/cpu/online": NOTHING[how]}):
        code, _, err = autotp("probe", "--sysroot", str(root))
    assert (code, err.count("\n")) == (2, 1)
    assert f"{root}/sys/devices/system/cpu/online" in err


def test_damage_is_undone(root: Path, whole: Topology) -> None:
    """The examples above don't depend on each other: the tree is as before, and nothing was put beyond a link."""
    before = sorted(root.rglob("*"))
    for link in ("loop through the folder", "link out to a folder", "dangling link"):
        inner = {
            "sys/devices/system/cpu/cpu5/online": _writing(b"1"),
            "sys/devices/system/cpu/new/file": _writing(b"1"),
        }
        with damaged(root, {"sys/devices/system": NOTHING[link]} | inner):
            assert not (root / "sys/devices/cpu").exists()
    for name in (places()[0], "sys/devices/system/cpu", "proc/self/status"):
        for place in (*NOTHING.values(), _writing(b"x")):
            with damaged(root, {name: place}):
                pass
    assert sorted(root.rglob("*")) == before
    assert probe(root) == whole
