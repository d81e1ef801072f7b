"""`autotp health`."""

import json
from pathlib import Path

from tests.support.command_line import autotp
from tests.support.recorded_files import write

TREE = {
    "sys/devices/system/cpu/online": "0-1",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    "proc/cpuinfo": "processor : 0\nflags : avx2 hypervisor\n",
}


def test_json_lists_the_advice(tmp_path: Path) -> None:
    """One object; each advice has its word, what was seen, why it matters and what to do."""
    code, out, err = autotp("health", "--json", "--sysroot", str(write(tmp_path, TREE)))
    advice = json.loads(out)["advice"]
    assert (code, err) == (0, "")
    assert [item["id"] for item in advice] == ["governor", "virtual_machine"]
    assert all(set(item) == {"id", "seen", "why", "do"} and all(item.values()) for item in advice)


def test_text_says_what_to_do(tmp_path: Path) -> None:
    """Without --json the same is said in words, with the command that mends it."""
    code, out, _ = autotp("health", "--sysroot", str(write(tmp_path, TREE)))
    assert code == 0
    assert [word for word in ("powersave on 1 of 1 CPUs", "why: ", "cpupower") if word not in out] == []


def test_the_group_that_limits_is_not_named(tmp_path: Path) -> None:
    """Advice is attached to reports and kept in studies, so it says what is wrong without the names of groups."""
    limits = {
        "proc/self/cgroup": "0::/alice",
        "sys/fs/cgroup/alice/cpu.max": "150000 100000",
        "sys/fs/cgroup/alice/cpu.stat": "nr_periods 9\nnr_throttled 5",
    }
    root = str(write(tmp_path, TREE | limits))
    for flags in ((), ("--json",)):
        _, out, _ = autotp("health", *flags, "--sysroot", root)
        assert "quota_throttling" in out
        assert "alice" not in out


def test_a_sound_machine_needs_no_advice(tmp_path: Path) -> None:
    """Nothing seen is said in words, and is an empty list."""
    root = str(write(tmp_path, {"sys/devices/system/cpu/online": "0-1"}))
    assert autotp("health", "--sysroot", root) == (0, "nothing seen that would disturb a measurement here\n", "")
    assert json.loads(autotp("health", "--json", "--sysroot", root)[1]) == {"advice": []}


def test_this_machine_is_looked_at() -> None:
    """On the live machine it works whatever is found, and takes about a moment."""
    code, out, err = autotp("health", "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out)["advice"], list)


def test_a_root_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    """A folder that holds no machine: one sentence that names it, exit code 2."""
    code, out, err = autotp("health", "--sysroot", str(tmp_path / "gone"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"autotp: {tmp_path}/gone")
