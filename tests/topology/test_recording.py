"""Probing a recording gives what probing the machine gave, and a recording holds no private data."""

import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import InputError, TopologyError
from autotp.topology.hardware.cpuinfo import brand
from autotp.topology.health.health import health
from autotp.topology.probe import probe
from autotp.topology.recording import record
from autotp.topology.summary import summary
from tests.support import trees
from tests.support.cpu_tables import IDS, LISTS, MASKS, Row, files, tables, two_sockets
from tests.support.machines import machines
from tests.support.recorded_files import in_memory, write
from tests.support.recorded_machines import DAMAGE, EXPECTED, FRAGILE

SERIAL = "10000000a1b2c3d4"
HOST = "buildhost.corp.example"
MAC = "de:ad:be:ef:12:34"
USER = "alice"
CONTAINER = "887624fe83529f190d8304484be2d3dc" * 2
SHARE = "nas/share"
NODE = "node17171"  # the kernel's name of a node, and a host's
SECRETS = (SERIAL, HOST, MAC, USER, CONTAINER, SHARE, NODE)
TOP = "sys/fs/cgroup"
MEMBER = f"/user.slice/{USER}.slice/{NODE}/docker/{CONTAINER}"

PLANTED = {
    "proc/version": f"Linux version 6.1.0-13 ({USER}@{HOST}) #1 SMP",
    "proc/meminfo": f"MemTotal:  16000000 kB\nSerial: {SERIAL} kB\n",
    "proc/stat": f"cpu0 1 2 3 4 5 6 7 8\ncpu1 {USER}\nhost {HOST}\n",
    "proc/loadavg": "3.00 2.00 1.00 5/86 20338",
    "proc/self/status": f"Name:\t{USER}\nHost:\t{HOST}\nCpus_allowed_list:\t0-6\n",
    "proc/self/cgroup": f"3:name={USER}:/{USER}\n2:cpu,cpuacct:{MEMBER}\n1:memory:/{USER}\n0::{MEMBER}\n",
    "proc/self/mountinfo": (
        f"1 0 0:1 / /home/{USER} rw - nfs //{SHARE} rw,addr={MAC}\n"
        f"2 0 0:1 / /{TOP}/cpu,cpuacct rw shared:9 - cgroup {HOST} rw,cpu,cpuacct\n"
        f"3 0 0:1 /{USER} /home/{USER}/my\\040groups rw - cgroup {SHARE} rw,memory\n"
        f"4 0 0:1 / /{TOP}/unified rw - cgroup2 {HOST} rw,nsdelegate\n"
    ),
    f"{TOP}/cpu,cpuacct{MEMBER}/cpu.cfs_quota_us": "150000",
    f"{TOP}/cpu,cpuacct{MEMBER}/cpu.stat": f"nr_periods 90\nnr_throttled 5\nuser {USER}\n",
    f"home/{USER}/my groups/memory.limit_in_bytes": "1073741824",
    f"{TOP}/unified/user.slice/{USER}.slice/cpuset.cpus.effective": "0-6",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": USER,
    "sys/devices/system/cpu/cpu0/cache/index0/level": "1",
    "sys/devices/system/cpu/cpu0/cache/index0/type": SERIAL,
    "sys/devices/system/cpu/cpu0/cache/index0/shared_cpu_map": "1",
    "sys/devices/virtual/dmi/id/product_serial": SERIAL,
    "sys/class/net/eth0/address": MAC,
    "etc/hostname": HOST,
}
CPUINFO = (
    f"processor : 0\nmodel name : Xeon\nphysical id : 0\ncore id : 0\nflags : avx2 hypervisor\nHost : {HOST}\n\n"
    f"processor : 1\nphysical id : 0\ncore id : 1\n\nHardware : {MAC}\nSerial : {SERIAL}\n"
)


def _check(root: Path, folder: Path) -> None:
    """Record `root` into `folder`, and this again: all three answer alike."""
    made = record(folder, root, brand(root))
    assert summary(probe(folder), brand(folder)) == summary(made, brand(root)) == summary(probe(root), brand(root))
    assert probe(folder).machine == probe(root).machine
    record(folder.with_name("again"), folder, brand(folder))
    assert _contents(folder.with_name("again")) == _contents(folder)


@pytest.mark.parametrize("allowed", ["4-7", "2-5", "0-7"])
def test_cpus_that_are_not_listed_are_recorded(allowed: str, tmp_path: Path) -> None:
    """Where the list and the mask name other CPUs, the recording shows the same machine and the same advice."""
    numbers = {"sys/devices/system/cpu/online": "0-3", "proc/self/status": f"Cpus_allowed_list: {allowed}"}
    root = write(tmp_path / "root", files(two_sockets()) | numbers)
    _check(root, tmp_path / "recording")
    assert health(tmp_path / "recording") == health(root)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _all_text(folder: Path) -> str:
    """The names and contents of all files of a recording, as one text."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
    return "\n".join([*names, *(data.decode() for data in _contents(folder).values())])


@settings(max_examples=25, deadline=None)
@given(
    rows=tables(),
    names=st.sampled_from([MASKS, LISTS, IDS]),
    planted=st.sets(st.sampled_from(sorted(PLANTED))),
    cpuinfo=st.sampled_from([CPUINFO, ""]),
)
def test_generated_machines_are_recorded_whole(
    rows: list[Row], names: tuple[str, str], planted: set[str], cpuinfo: str
) -> None:
    """Whatever the machine and whichever secrets lie about: the same answer, and no secret in it."""
    extra = {name: PLANTED[name] for name in planted} | {"proc/cpuinfo": cpuinfo}
    with in_memory() as scratch:
        root = write(Path(scratch) / "root", files(rows, names) | extra)
        try:
            found = probe(root)
        except TopologyError:
            return
        _check(root, Path(scratch) / "recording")
        text = _all_text(Path(scratch) / "recording") + json.dumps(summary(found))
        assert [secret for secret in SECRETS if secret in text] == []


def test_no_secret_is_recorded(tmp_path: Path) -> None:
    """Serial numbers, host names, MACs, users, container ids and mounts stay out; limits and health stay in."""
    root = write(tmp_path / "root", files(two_sockets()) | PLANTED | {"proc/cpuinfo": CPUINFO})
    _check(root, tmp_path / "recording")
    text = _all_text(tmp_path / "recording")
    assert [secret for secret in SECRETS if secret in text] == []
    envelope = probe(tmp_path / "recording").envelope
    assert (envelope.cpus, envelope.cpu_quota, envelope.memory_limit_bytes) == (tuple(range(7)), 1.5, 2**30)
    found = health(tmp_path / "recording")
    assert found == health(root)
    assert {"governor", "quota_throttling", "other_load", "virtual_machine"} <= {advice.id for advice in found}
    assert [secret for secret in SECRETS if secret in f"{found}"] == []


@settings(max_examples=50, deadline=None)
@given(damage=st.dictionaries(st.sampled_from(FRAGILE), DAMAGE, min_size=1, max_size=4))
def test_what_can_be_probed_can_be_recorded(damage: dict[str, bytes]) -> None:
    """Damage that the probe lives with is no obstacle, and the recording gives the same answer."""
    with in_memory() as scratch:
        root = write(Path(scratch) / "root", files(two_sockets()))
        for name, data in damage.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        try:
            found = probe(root)
        except TopologyError:
            return
        record(Path(scratch) / "recording", root)
        assert summary(probe(Path(scratch) / "recording")) == summary(found)


@pytest.mark.parametrize(
    "expected", EXPECTED or [None], ids=lambda path: path.name.split(".")[0] if path else "none"
)
def test_recorded_machines_are_recorded_again(expected: Path | None) -> None:
    """Real machines' trees, with all that others kept in them, give the same answer and the same advice."""
    if expected is None:
        pytest.skip("no recorded machines beside the project")
    with in_memory() as scratch:
        root, folder = Path(scratch) / "root", Path(scratch) / "recording"
        with tarfile.open(expected.with_name(expected.name.replace(".expected.json", ".tar.gz"))) as archive:
            archive.extractall(root, filter="data")
        _check(root, folder)
        assert [advice.id for advice in health(folder)] == [advice.id for advice in health(root)]
        assert len(_contents(folder)) < len(_contents(root))


@settings(max_examples=15, deadline=None)
@given(described=machines())
def test_described_machines_are_recorded(described: trees.Described) -> None:
    """The builder's machines, with distances, memory, caches and all their oddities, as well."""
    with in_memory() as scratch:
        _check(trees.build(described, Path(scratch) / "root"), Path(scratch) / "recording")


@pytest.mark.parametrize("cpus", [None, 1])
def test_this_machine_is_recorded(cpus: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The live machine and its recording are one, with all CPUs or with fewer."""
    if cpus is not None:
        few = set(sorted(os.sched_getaffinity(0))[:cpus])
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: few)
    made = record(tmp_path / "recording", brand="Xeon\nGold \x1b")
    found = probe(tmp_path / "recording")
    assert brand(tmp_path / "recording") == "Xeon Gold ?"
    assert found.fingerprint == made.fingerprint
    assert summary(found) == summary(made)
    assert os.uname().nodename not in _all_text(tmp_path / "recording").split()


def test_what_a_namespace_hides_stays_unknown(tmp_path: Path) -> None:
    """Where only ancestors of our group are shown, their limits are recorded, and that ours isn't known."""
    limits = {
        "proc/self/cgroup": "0::/",
        "proc/self/mountinfo": f"1 0 0:1 /../.. /{TOP} rw - cgroup2 none rw",
        "proc/self/status": "Cpus_allowed_list:\t0-3",
        f"{TOP}/cpu.max": "150000 100000",
        f"{TOP}/cpuset.cpus.effective": "0-6",
    }
    _check(write(tmp_path / "root", files(two_sockets()) | limits), tmp_path / "recording")
    envelope = probe(tmp_path / "recording").envelope
    assert (envelope.cpus, envelope.cpu_quota, envelope.reasons.cpus) == ((0, 1, 2, 3), 1.5, "unknown")


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    """The recording takes the place of an empty folder, also below folders that are missing."""
    root = write(tmp_path / "root", files(two_sockets()))
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a/b/c"):
        record(folder, root)
        assert probe(folder).machine.logical_cpus == 8


def test_nothing_is_made_for_a_recording_that_fails(tmp_path: Path) -> None:
    """Folders above the recording are made when it is written, not before it is read."""
    root = write(tmp_path / "root", {})
    with pytest.raises(TopologyError):
        record(tmp_path / "left/over/x", root)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    """Files, folders with something in them, and places that can't be written are named, and nothing changes."""
    root = write(tmp_path / "root", files(two_sockets()))
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("root", "file", "file/below", "loop", "x" * 300):
        with pytest.raises(InputError, match=name.partition("/")[0]) as caught:
            record(tmp_path / name, root)
        assert str(caught.value).count(str(tmp_path)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "root"]


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full in the middle, neither the recording nor its draft is there."""
    root = write(tmp_path / "root", files(two_sockets()))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left"):
        record(tmp_path / "recording", root)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
