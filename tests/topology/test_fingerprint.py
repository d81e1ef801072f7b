"""The fingerprint changes with what matters to a tuned result, and with nothing else."""

import hashlib
import json
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.topology.envelope.envelope import Envelope
from autotp.topology.fingerprint import Fingerprint, fingerprint, memory_class, openvino_version
from autotp.topology.hardware.machine import CoreKind, Cpu, Machine, Node
from autotp.topology.probe import probe
from tests.support.cpu_tables import CPU, NODE, Row, files, tables, two_sockets
from tests.support.recorded_files import in_memory, write

GIB = 2**30


def _machine(ids: list[int]) -> Machine:
    """Two sockets of two cores of two threads, whose CPUs have these eight ids."""
    cpus = [Cpu(id=cpu, core=n // 2, socket=n // 4, node=n // 4) for n, cpu in enumerate(ids)]
    nodes = (Node(id=0, sockets=(0,), cpus=tuple(ids[:4])), Node(id=1, sockets=(1,), cpus=tuple(ids[4:])))
    in_order = tuple(sorted(cpus, key=lambda cpu: cpu.id))
    return Machine(cpus=in_order, nodes=nodes, caches=(), isa=("avx2",), model_name="Xeon")


def _fingerprint(machine: Machine, cpus: list[int], quota: float | None = None) -> Fingerprint:
    envelope = Envelope(cpus=tuple(sorted(cpus)), cpu_quota=quota, memory_limit_bytes=None)
    return fingerprint(machine, envelope, memory_class_bytes=64 * GIB, soft={})


MACHINE = _machine(list(range(8)))
WHOLE = _fingerprint(MACHINE, list(range(8)))


def test_the_id_is_a_digest_of_the_canonical_json() -> None:
    """Anyone can compute the id from the hard facts: sorted keys, no blanks."""
    canonical = json.dumps(WHOLE.hard, sort_keys=True, separators=(",", ":"))
    assert WHOLE.id == hashlib.sha256(canonical.encode()).hexdigest()[:16]


@given(ids=st.permutations(range(0, 40, 5)), cpus=st.sets(st.integers(0, 7), min_size=1))
def test_numbering_does_not_matter(ids: list[int], cpus: set[int]) -> None:
    """The same part of the same machine is the same, however the kernel counted its CPUs this time."""
    here = _fingerprint(MACHINE, sorted(cpus))
    assert _fingerprint(_machine(ids), [ids[cpu] for cpu in cpus]).id == here.id


@pytest.mark.parametrize(
    "other",
    [
        _fingerprint(MACHINE, [0, 1, 2, 3]),
        _fingerprint(MACHINE, list(range(8)), quota=2.0),
        _fingerprint(msgspec.structs.replace(MACHINE, isa=("avx2", "avx512f")), list(range(8))),
        _fingerprint(msgspec.structs.replace(MACHINE, nodes=MACHINE.nodes[:1]), list(range(8))),
        fingerprint(
            MACHINE,
            Envelope(cpus=tuple(range(8)), cpu_quota=None, memory_limit_bytes=None),
            memory_class_bytes=32 * GIB,
            soft={},
        ),
    ],
)
def test_each_hard_fact_matters(other: Fingerprint) -> None:
    """Other CPUs allowed, another quota, ISA, number of nodes or class of memory: another fingerprint."""
    assert other.id != WHOLE.id


def test_the_shape_of_what_is_allowed_matters() -> None:
    """Four CPUs of one socket aren't four CPUs of two, nor are two threads two cores."""
    spread = [
        _fingerprint(MACHINE, cpus).id for cpus in ([0, 1, 2, 3], [0, 1, 4, 5], [0, 2, 4, 6], [0, 2], [0, 1])
    ]
    assert len(set(spread)) == len(spread)


def test_kinds_of_cores_matter() -> None:
    """Efficient cores make another machine of as many cores."""
    cpus = tuple(
        msgspec.structs.replace(cpu, kind=CoreKind.EFFICIENT) if cpu.core else cpu for cpu in MACHINE.cpus
    )
    hybrid = msgspec.structs.replace(MACHINE, cpus=cpus)
    assert _fingerprint(hybrid, list(range(8))).id != WHOLE.id


@given(
    gib=st.sampled_from([1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048]),
    kept=st.floats(0.955, 1.005),
)
def test_a_reboot_keeps_the_memory_class(gib: int, kept: float) -> None:
    """The few per cent of memory that a kernel keeps for itself don't change the class."""
    assert memory_class(int(gib * GIB * kept), None) == memory_class(gib * GIB, None)


def test_the_memory_limit_makes_the_class() -> None:
    """The class is that of the memory which may be used; without any size there is none."""
    assert memory_class(256 * GIB, 4 * GIB) == 4 * GIB
    assert memory_class(4 * GIB, 256 * GIB) == 4 * GIB
    assert memory_class(None, None) is None


def _facts(rows: list[Row], flags: str = "avx2", memory_kib: int = 65_000_000, mhz: int = 2000) -> dict[str, str]:
    cpuinfo = f"processor : 0\nmodel name : Xeon\ncpu MHz : {mhz}\nflags : {flags}\n"
    return files(rows) | {"proc/cpuinfo": cpuinfo, "proc/meminfo": f"MemTotal: {memory_kib} kB\n"}


def _id_of(tree: Mapping[str, str], order: Random) -> str:
    """The fingerprint of a tree whose files were made, and so are listed, in this order."""
    with in_memory() as scratch:
        return probe(write(Path(scratch), dict(order.sample(sorted(tree.items()), len(tree))))).fingerprint.id


@settings(max_examples=25)
@given(rows=tables(), order=st.randoms(use_true_random=False), load=st.integers(0, 10**6))
def test_another_boot_is_the_same_machine(rows: list[Row], order: Random, load: int) -> None:
    """Clocks, load, time since boot, a little memory and the order of listing change nothing."""
    moment = {
        "proc/loadavg": f"{load % 90}.00 1.00 1.00 1/9 {load}",
        "proc/stat": "".join(f"cpu{row.id} {load} 0 0 {load} 0 0 0 {load % 7}\n" for row in rows),
        "proc/pressure/cpu": f"some avg10={load % 100}.00 avg60=0.00 avg300=0.00 total={load}",
        f"{CPU}/cpu{rows[0].id}/cpufreq/scaling_cur_freq": f"{load}",
        f"{CPU}/cpu{rows[0].id}/cpufreq/scaling_governor": "powersave",
    }
    then = _id_of(_facts(rows), Random(0))
    assert _id_of(_facts(rows, memory_kib=65_000_000 - load, mhz=2000 + load % 999) | moment, order) == then


@settings(max_examples=50)
@given(
    rows=tables(),
    fact=st.sampled_from(["isa", "quota", "memory", "cpus", "cores", "sockets", "nodes", "memory limit"]),
)
def test_every_hard_fact_makes_another_machine(rows: list[Row], fact: str) -> None:
    """Whatever the machine: another value of any hard fact is another fingerprint."""
    box = {"proc/self/cgroup": "0::/"}
    fewer = ",".join(str(row.id) for row in rows[1:])
    apart = [row._replace(socket=10**6) if row.core == 0 and row.socket == rows[0].socket else row for row in rows]
    other = {
        "isa": lambda: _facts(rows, flags="avx2 amx_tile"),
        "quota": lambda: _facts(rows) | box | {"sys/fs/cgroup/cpu.max": "50000 100000"},
        "memory": lambda: _facts(rows, memory_kib=130_000_000),
        "memory limit": lambda: _facts(rows) | box | {"sys/fs/cgroup/memory.max": f"{2**30}"},
        "cpus": lambda: _facts(rows) | {"proc/self/status": f"Cpus_allowed_list: {fewer}"},
        "cores": lambda: _facts([row._replace(core=row.core // 2) for row in rows]),
        "sockets": lambda: _facts(apart),
        "nodes": lambda: _facts(rows) | {f"{NODE}/node9999/cpumap": "0"},
    }[fact]()
    has_several = len({row.core for row in rows}) > 1
    if (fact == "cpus" and not fewer) or (fact in ("cores", "sockets") and not has_several):
        return
    assert _id_of(other, Random(0)) != _id_of(_facts(rows), Random(0))


def test_soft_facts_leave_the_id_alone(tmp_path: Path) -> None:
    """Model, stepping, microcode, kernel and frequencies don't change the fingerprint."""
    cpuinfo = "processor : 0\nmodel name : {0}\nstepping : {0}\nmicrocode : {0}\ncpu MHz : {0}\nflags : avx2\n"
    tree = files(two_sockets())
    found = [
        probe(
            write(
                tmp_path / name,
                tree | {"proc/cpuinfo": cpuinfo.format(name), "proc/sys/kernel/osrelease": name},
            )
        ).fingerprint
        for name in ("1", "2")
    ]
    assert found[0].id == found[1].id
    changed = {key for key, value in found[0].soft.items() if value != found[1].soft[key]}
    assert changed == {"cpu_model", "cpu_stepping", "microcode", "kernel"}


def test_the_kernel_is_read_from_its_version_line(tmp_path: Path) -> None:
    """A recording without osrelease names the kernel in /proc/version; OpenVINO's version is not its own."""
    root = write(tmp_path, files(two_sockets()) | {"proc/version": "Linux version 6.1.0-13 (someone) #1\n"})
    soft = probe(root).fingerprint.soft
    assert (soft["kernel"], soft["openvino"]) == ("6.1.0-13", None)


def test_the_version_of_openvino_is_the_installed_one() -> None:
    """As importlib.metadata has it."""
    assert openvino_version() == metadata.version("openvino")


def _installed(folder: Path, info: str, version: str) -> str:
    """Write what is known of OpenVINO when it is installed in `folder`, which is returned."""
    head = (
        f"Metadata-Version: 2.4\nName: openvino\nVersion: {version}\n\nVersion: none, this is the description.\n"
    )
    (folder / info).parent.mkdir(parents=True)
    (folder / info).write_text(head)
    return str(folder)


def test_the_first_openvino_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its relatives, such as openvino_genai, don't; nor does a folder that isn't there."""
    folders = [
        _installed(tmp_path / "genai", "openvino_genai-2.0.dist-info/METADATA", "2.0"),
        str(tmp_path / "gone"),
        _installed(tmp_path / "first", "openvino-2026.4.1.dist-info/METADATA", "2026.4.1"),
        _installed(tmp_path / "second", "openvino-2027.0.0.dist-info/METADATA", "2027.0.0"),
    ]
    monkeypatch.setattr(sys, "path", folders)
    assert openvino_version() == metadata.version("openvino") == "2026.4.1"


def test_an_openvino_in_another_place_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no wheel was installed there may still be an egg; where there is neither, there is no version."""
    monkeypatch.setattr(sys, "path", [_installed(tmp_path / "egg", "openvino.egg-info/PKG-INFO", "2026.5.0")])
    assert openvino_version() == "2026.5.0"
    monkeypatch.setattr(sys, "path", [])
    assert openvino_version() is None
