"""Recordings of real machines, where they are at hand, and damage for a recording."""

from pathlib import Path

from hypothesis import strategies as st

from tests.support.cpu_tables import files, two_sockets

MACHINES = Path(__file__).parents[3] / "shared" / "machines"
EXPECTED = sorted(MACHINES.glob("*.expected.json"))
DAMAGE = st.one_of(
    st.sampled_from([b"", b"0-", b"0-4000000000", b"-1", b"\x00\xff\xfe", b"max", b"ffffffff," * 9, b"1" * 5000]),
    st.binary(max_size=30),
)
FRAGILE = sorted(
    files(two_sockets())
    | dict.fromkeys(
        (
            *(f"proc/{name}" for name in ("stat", "meminfo", "version", "mounts", "cpuinfo")),
            *(f"proc/self/{name}" for name in ("cgroup", "cpuset", "mountinfo", "status")),
            *(f"sys/fs/cgroup/{name}" for name in ("cpu.max", "memory.max", "cpuset.cpus.effective")),
            *(f"sys/devices/system/cpu/cpu1/cache/index0/{name}" for name in ("level", "size", "shared_cpu_map")),
            "sys/devices/system/cpu/cpu3/cpu_capacity",
            "sys/devices/system/node/online",
            "sys/devices/cpu_atom/cpus",
        )
    )
)
