"""What others took of this process's CPUs, as the kernel accounts for it."""

import os
import subprocess
import sys

import pytest

from autotp.measuring.child import cpu_weather
from autotp.measuring.child.cpu_weather import CpuWeather
from autotp.measuring.samples.weather import disturbed
from autotp.topology.envelope.cpu_usage import Usage

NEIGHBOUR = """
import os, sys, time
os.sched_setaffinity(0, [int(sys.argv[1])])
print(flush=True)
sys.stdin.read()
began = time.process_time()
while time.process_time() < began + 0.5:
    pass
"""


def test_another_process_on_our_cpu_is_seen() -> None:
    """A neighbour that uses half a second of the same CPU is bad weather, however long it waits for that."""
    cpu = min(os.sched_getaffinity(0))
    weather = CpuWeather([cpu])
    with subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, str(cpu)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as neighbour:
        assert neighbour.stdout is not None
        neighbour.stdout.readline()
        before = weather.read()
        neighbour.communicate(b"go")
        beside = weather.since(before)
    assert beside.cpus == 1
    assert beside.others_s > 0.4  # the kernel counts in ticks
    assert beside.watched_s > 0.4
    assert disturbed(beside)


@pytest.mark.parametrize(("own_s", "others_s"), [(0.3, 0.2), (0.5, 0.0), (0.6, 0.0)])
def test_our_own_work_is_not_that_of_others(
    own_s: float, others_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own CPU time is taken off half a busy second; the kernel's ticks may count a little less."""
    usages = iter(
        [Usage(busy_s=1.0, steal_s=0.1, throttled_s=0.0), Usage(busy_s=1.5, steal_s=0.3, throttled_s=0.1)]
    )
    own = iter([2.0, 2.0 + own_s])
    weather = CpuWeather([0, 1])
    monkeypatch.setattr(weather._reader, "read", usages.__next__)
    monkeypatch.setattr(cpu_weather, "process_time", own.__next__)
    seen = weather.since(weather.read())
    assert (seen.others_s, seen.steal_s, seen.throttled_s) == pytest.approx((others_s, 0.2, 0.1))
    assert seen.cpus == 2
