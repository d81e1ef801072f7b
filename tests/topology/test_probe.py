"""The whole probe: on real machines' recordings, on damaged trees, and on the machine at hand."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.errors import InputError
from autotp.topology.envelope.envelope import Envelope
from autotp.topology.hardware.machine import Machine
from autotp.topology.probe import Topology, narrow, probe
from autotp.topology.summary import summary
from tests.support import trees
from tests.support.cpu_tables import files, two_sockets
from tests.support.recorded_files import in_memory, write
from tests.support.recorded_machines import EXPECTED, MACHINES


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that is gone at once: pytest keeps a tmp_path of each of three runs, and these are large."""
    with in_memory() as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "expected", EXPECTED or [None], ids=lambda path: path.name.split(".")[0] if path else "none"
)
def test_recorded_machines_are_exact(expected: Path | None, scratch: Path) -> None:
    """Counts, nodes and the recorded process's CPUs are what hwloc finds in the same tree."""
    if expected is None:
        pytest.skip(f"no recorded machines in {MACHINES}")
    with tarfile.open(expected.with_name(expected.name.replace(".expected.json", ".tar.gz"))) as archive:
        archive.extractall(scratch, filter="data")
    found, wanted = probe(scratch), json.loads(expected.read_text())
    counts = {key: summary(found)[key] for key in ("sockets", "numa_nodes", "cores", "logical_cpus")}
    nodes = {str(node.id): list(node.cpus) for node in found.machine.nodes}
    assert counts | {"nodes": nodes, "allowed": list(found.envelope.cpus)} == wanted


@pytest.mark.parametrize(
    "described",
    [
        trees.Described(),
        trees.Described(sockets=2, cores_per_node=8, smt=2),
        trees.Described(sockets=2, nodes_per_socket=4, cores_per_node=2),
        trees.Described(sockets=4, sockets_per_node=2, cores_per_node=4),
    ],
)
def test_generated_machines_are_exact(described: trees.Described, tmp_path: Path) -> None:
    """The builder of pretended machines and the probe agree on everything that both know."""
    found = probe(trees.build(described, tmp_path)).machine
    assert (found.sockets, found.numa_nodes) == (described.sockets, described.numa_nodes)
    assert (found.cores, found.logical_cpus, found.smt) == (
        described.cores,
        described.logical_cpus,
        described.smt,
    )
    assert [node.cpus for node in found.nodes] == [described.of_node(node.id) for node in found.nodes]
    assert set(found.isa) <= set(described.flags)
    assert {cache.cpus for cache in found.caches if cache.level == 3} == {
        described.of_socket(socket) for socket in range(described.sockets)
    }


def test_a_recording_is_not_mixed_with_the_running_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a root, neither the affinity nor OpenVINO's version of this machine is asked for."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    found = probe(write(tmp_path, files(two_sockets())))
    assert found.envelope.cpus == tuple(range(8))
    assert found.fingerprint.soft["openvino"] is None


def test_the_machine_at_hand_is_probed_without_heavy_imports() -> None:
    """A live probe agrees with the system, and loads neither py-cpuinfo nor OpenVINO."""
    code = (
        "import json, sys; from autotp.topology.probe import probe; found = probe();"
        "heavy = {'cpuinfo', 'openvino', 'optuna', 'numpy'} & set(sys.modules);"
        "print(json.dumps([found.envelope.cpus, found.machine.logical_cpus, sorted(heavy)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    online = os.sysconf("SC_NPROCESSORS_ONLN")
    assert json.loads(done.stdout) == [sorted(os.sched_getaffinity(0)), online, []]


def test_probing_twice_gives_the_same() -> None:
    """Nothing in a topology depends on the moment, but the memory that a virtual machine's host adds or takes."""
    first, second = (_without_memory(probe()) for _ in range(2))
    assert first == second


def _without_memory(topology: Topology) -> tuple[Machine, Envelope, dict[str, object]]:
    nodes = tuple(msgspec.structs.replace(node, memory_bytes=None) for node in topology.machine.nodes)
    machine = msgspec.structs.replace(topology.machine, nodes=nodes)
    return machine, topology.envelope, topology.fingerprint.hard | {"memory_class_bytes": None}


def test_a_large_machine_is_probed_in_so_many_reads(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the cores take twice the reads, and no file is read for each pair of CPUs."""
    reads: list[object] = []

    def counted(*arguments: Any, open_: Callable[..., int] = os.open) -> int:
        reads.append(arguments)
        return open_(*arguments)

    monkeypatch.setattr(os, "open", counted)
    counts = []
    for cores in (32, 64):
        root = trees.build(trees.Described(sockets=2, cores_per_node=cores, smt=2), scratch / f"{cores}")
        reads.clear()
        assert probe(root).machine.cores == 2 * cores
        counts.append(len(reads))
    assert 0 < counts[1] <= 2 * counts[0]


def test_an_absurd_list_of_cpus_does_not_hang(tmp_path: Path) -> None:
    """The longest list that is still believed, with nothing behind it, is read."""
    found = probe(write(tmp_path, {"sys/devices/system/cpu/online": "0-16383"}))
    assert found.machine.logical_cpus == 16384


def test_narrowing_keeps_the_machine(tmp_path: Path) -> None:
    """Fewer CPUs are another envelope with a fingerprint of its own, on the same machine."""
    whole = probe(write(tmp_path, files(two_sockets()) | {"proc/meminfo": "MemTotal:  16000000 kB\n"}))
    part = narrow(whole, (5, 0, 1))
    assert part.machine == whole.machine
    assert part.envelope.cpus == (0, 1, 5)
    assert part.fingerprint.id != whole.fingerprint.id
    assert part.fingerprint.hard["memory_class_bytes"] == 2**34
    assert narrow(whole, whole.envelope.cpus) == whole


@pytest.mark.parametrize(("cpus", "words"), [((), "empty"), ((0, 64, 65), "64-65")])
def test_narrowing_to_nothing_or_beyond_is_refused(tmp_path: Path, cpus: tuple[int, ...], words: str) -> None:
    """CPUs outside of the envelope are named, together with those that could be chosen."""
    whole = probe(write(tmp_path, files(two_sockets())))
    with pytest.raises(InputError, match=f"{words}.*0-7"):
        narrow(whole, cpus)
