"""What others took of this process's CPUs, as the kernel accounts for it."""

import os
import subprocess
import sys
import time

import pytest

from autotp.measuring.child import cpu_weather
from autotp.measuring.child.cpu_weather import CpuWeather
from autotp.measuring.samples.weather import disturbed
from autotp.topology.envelope.cpu_usage import Usage


def test_another_process_on_our_cpu_is_seen() -> None:
    """Half a second beside a busy neighbour on the same CPU is bad weather."""
    cpu = min(os.sched_getaffinity(0))
    busy = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{cpu}])\nprint(flush=True)\nwhile 1: pass"]
    with subprocess.Popen(busy, stdout=subprocess.PIPE) as neighbour:
        assert neighbour.stdout is not None
        neighbour.stdout.readline()
        weather = CpuWeather([cpu])
        before = weather.read()
        time.sleep(0.5)
        beside = weather.since(before)
        neighbour.kill()
    assert beside.cpus == 1
    assert beside.others_s > 0.2
    assert disturbed(beside)
    assert beside.watched_s == pytest.approx(0.5, abs=0.2)


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
