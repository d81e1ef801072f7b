"""The accounts of CPUs and groups that are read twice."""

import time
from pathlib import Path

import pytest

from autotp.topology.envelope.cpu_usage import TICK_S, Usage, UsageReader
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write

V1 = {
    "proc/self/cgroup": "3:cpu,cpuacct:/mine\n",
    "proc/self/mountinfo": "1 1 0:1 / /c rw - cgroup cgroup rw,cpu\n",
}


def test_only_the_cpus_asked_for_count(tmp_path: Path) -> None:
    """Busy is what is neither idle nor stolen, in seconds, over the CPUs of the reader."""
    stat = "cpu0 10 0 5 100 7 0 0 3\ncpu1 1000 0 0 0 0 0 0 0\ncpu2 1 0 0 0 0 0 0 1\n"
    usage = UsageReader([0, 2], Tree(write(tmp_path, {"proc/stat": stat}))).read()
    assert (usage.busy_s, usage.steal_s, usage.throttled_s) == pytest.approx((16 * TICK_S, 4 * TICK_S, 0.0))


@pytest.mark.parametrize(
    ("stat", "seconds"),
    [
        ("nr_throttled 4\nthrottled_usec 2500000\n", 2.5),
        ("nr_throttled 4\nthrottled_time 2500000000\n", 2.5),
        ("nr_throttled 4\n", 0.0),
    ],
)
def test_throttling_is_read_in_the_units_of_v1_and_v2(tmp_path: Path, stat: str, seconds: float) -> None:
    """Microseconds in v2, nanoseconds in v1; a group that doesn't say is passed over."""
    tree = Tree(write(tmp_path, {**V1, "c/mine/cpu.stat": stat}))
    assert UsageReader([0], tree).read().throttled_s == seconds


def test_a_counter_that_went_back_counts_as_zero() -> None:
    """A reset of an account, as after a migration, isn't negative time."""
    before = Usage(busy_s=5.0, steal_s=1.0, throttled_s=2.0)
    now = Usage(busy_s=6.5, steal_s=0.0, throttled_s=2.0)
    assert now.since(before) == Usage(busy_s=1.5, steal_s=0.0, throttled_s=0.0)


def test_work_on_the_live_machine_shows() -> None:
    """Half a second of this process's own work is seen, within the ticks' error."""
    reader = UsageReader(range(4096))
    before, began = reader.read(), time.process_time()
    while time.process_time() < began + 0.5:
        pass
    assert reader.read().since(before).busy_s > 0.4
