"""What would disturb a measurement is said; what can't be read is not."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.topology.health.health import health
from autotp.topology.probe import probe
from tests.support.cpu_tables import CPU, files, two_sockets
from tests.support.health_advice import advice
from tests.support.recorded_files import in_memory, write
from tests.support.recorded_machines import DAMAGE

BAD = {
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
    f"{CPU}/intel_pstate/no_turbo": "0",
    f"{CPU}/cpufreq/boost": "1",
    f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "7",
    f"{CPU}/cpu1/thermal_throttle/package_throttle_count": "40",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
    "proc/sys/kernel/numa_balancing": "1",
    "proc/loadavg": "3.50 1.00 1.00 4/900 77",
    "proc/pressure/cpu": "some avg10=12.50 avg60=0.49 avg300=2.18 total=1066096833",
    "proc/stat": "cpu0 90 0 0 0 0 0 0 10 0 0",
    "proc/cpuinfo": "processor : 0\nflags : avx2 hypervisor",
    "proc/self/status": "Cpus_allowed_list: 0-4",
    "proc/self/cgroup": "0::/box",
    "sys/fs/cgroup/box/cpu.max": "150000 100000",
    "sys/fs/cgroup/box/cpu.stat": "usage_usec 5\nnr_periods 100\nnr_throttled 25\nthrottled_usec 9",
}
ALL = (
    "governor",
    "turbo",
    "thermal_throttling",
    "smt_siblings_outside",
    "smt_siblings_inside",
    "cpu_quota",
    "quota_throttling",
    "transparent_huge_pages",
    "numa_balancing",
    "other_load",
    "virtual_machine",
)


def test_everything_at_once(tmp_path: Path) -> None:
    """Each of the disturbances has its own advice, with a reason and something to do."""
    found = advice(tmp_path, BAD)
    assert tuple(found) == ALL
    assert all(item.seen and item.why and item.do for item in found.values())


def test_unknown_is_silent(tmp_path: Path) -> None:
    """Without any of the files there is nothing to advise but about what the topology itself shows."""
    assert tuple(advice(tmp_path, {})) == ("smt_siblings_inside",)


@settings(max_examples=100, deadline=None)
@given(damage=st.dictionaries(st.sampled_from(sorted(set(BAD) - {"sys/fs/cgroup/box/cpu.max"})), DAMAGE))
def test_what_cannot_be_understood_is_silent(damage: dict[str, bytes]) -> None:
    """Damage in a file that only the health check reads never stops it."""
    with in_memory() as scratch:
        root = write(Path(scratch), files(two_sockets()) | {"proc/self/cgroup": "0::/box"})
        damaged = {name: data for name, data in damage.items() if not name.startswith("proc/self")}
        for name, data in damaged.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        assert {item.id for item in health(root)} <= set(ALL)


def test_the_live_machine_is_looked_at_quickly() -> None:
    """With a topology at hand and without watching for steal there is nothing to wait for."""
    found = health(topology=probe(), steal_sample_s=0)
    assert {item.id for item in found} <= set(ALL)


def test_only_the_live_machine_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording can't change, so nobody waits for it."""
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited"))
    assert "virtual_machine" in advice(tmp_path, BAD)


def test_a_broken_live_file_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be read on the live machine, health has nothing to say about it."""
    topology = probe()

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    found = {item.id for item in health(topology=topology, steal_sample_s=0)}
    assert found <= {"smt_siblings_inside", "smt_siblings_outside", "cpu_quota"}
