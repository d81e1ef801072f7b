"""The control groups that the tests of quotas run in."""

import subprocess
import sys
from pathlib import Path

from tests.support.cgroup import Group, cpu_quota, requires_cpu_quota

SLEEPS = (sys.executable, "-c", "import time; print(flush=True); time.sleep(60)")


@requires_cpu_quota()
def test_a_command_runs_in_its_group_and_ends_with_it() -> None:
    """What is started in the group is in it, and is gone with it, however the test ends."""
    with cpu_quota(0.5) as group:
        process = subprocess.Popen(group.command(SLEEPS), stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        assert group.pids() == [process.pid]
    assert process.wait(timeout=10) < 0
    process.stdout.close()
    assert not group.folder.exists()


@requires_cpu_quota()
def test_a_group_gets_no_more_than_its_quota() -> None:
    """With half a CPU, 0.4 s of work takes some 0.8 s, a little less where it begins late in a period."""
    work = "import time; w, c = time.monotonic(), time.process_time()\n"
    work += "while time.process_time() < c + 0.4: pass\nprint(time.monotonic() - w)"
    with cpu_quota(0.5) as group:
        done = subprocess.run(group.command((sys.executable, "-c", work)), capture_output=True, text=True)
    assert float(done.stdout) >= 0.6


def test_version_two_is_limited_by_its_own_files(tmp_path: Path) -> None:
    """Where there is no `cpu.cfs_quota_us`, quota and period go into `cpu.max`."""
    Group(tmp_path).limit(1.5)
    assert (tmp_path / "cpu.max").read_text() == "150000 100000"
    assert (tmp_path / "cpu.weight").read_text() == "10000"
