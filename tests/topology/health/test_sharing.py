"""Advice about what is shared: cores, CPU time, memory."""

from pathlib import Path

import pytest

from tests.support.cpu_tables import CPU, NODE
from tests.support.health_advice import advice

BOX = "sys/fs/cgroup/box"


def test_a_mask_beyond_the_listed_cpus_is_reported(tmp_path: Path) -> None:
    """The advice names both sets of CPUs; a mask within the list needs none."""
    seen = advice(tmp_path, {f"{CPU}/online": "0-3", "proc/self/status": "Cpus_allowed_list: 2-5"})
    assert "may run on CPUs 2-5" in seen["other_cpus_listed"].seen
    assert "online lists 0-3;" in seen["other_cpus_listed"].seen
    assert "other_cpus_listed" not in advice(tmp_path, {"proc/self/status": "Cpus_allowed_list: 2-3"})


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        ("0-7", {"smt_siblings_inside"}),
        ("0-1", {"smt_siblings_inside"}),
        ("0,2,4,6", {"smt_siblings_outside"}),
        ("0-2", {"smt_siblings_inside", "smt_siblings_outside"}),
    ],
)
def test_siblings_inside_and_outside(tmp_path: Path, allowed: str, words: set[str]) -> None:
    """Two threads of a core in the envelope are one thing, a sibling that others may use another."""
    found = advice(tmp_path, _paired() | {"proc/self/status": f"Cpus_allowed_list: {allowed}"})
    assert set(found) == words


def test_one_cpu_of_each_core_is_offered(tmp_path: Path) -> None:
    """The command names a CPU of every core of the envelope, once."""
    assert "taskset -c 0,2,4,6 " in advice(tmp_path, _paired()).pop("smt_siblings_inside").do


def test_siblings_of_others_are_named(tmp_path: Path) -> None:
    """The CPUs that others may use are listed."""
    facts = _paired() | {"proc/self/status": "Cpus_allowed_list: 0,2-3"}
    assert "1 of 2 cores" in advice(tmp_path, facts)["smt_siblings_outside"].seen
    assert "CPUs 1" in advice(tmp_path, facts)["smt_siblings_outside"].seen


def _paired() -> dict[str, str]:
    """Each core has two neighbouring CPUs."""
    return {f"{CPU}/cpu{cpu}/topology/core_cpus": f"{0b11 << (cpu // 2 * 2):x}" for cpu in range(8)}


@pytest.mark.parametrize(
    ("setting", "is_advised"),
    [("[always] madvise never", 1), ("always madvise [never]", 1), ("always [madvise]", 0)],
)
def test_huge_pages(tmp_path: Path, setting: str, is_advised: bool) -> None:
    """Always and never are reported with the setting; madvise leaves it to the program."""
    found = advice(tmp_path, {"sys/kernel/mm/transparent_hugepage/enabled": setting})
    assert ("transparent_huge_pages" in found) == is_advised
    assert not is_advised or setting in found["transparent_huge_pages"].seen


def test_numa_balancing_needs_nodes(tmp_path: Path) -> None:
    """It disturbs where there are several nodes to move pages between."""
    balancing = {"proc/sys/kernel/numa_balancing": "1"}
    assert "2 NUMA nodes" in advice(tmp_path / "two", balancing)["numa_balancing"].seen
    assert "numa_balancing" not in advice(tmp_path / "off", {"proc/sys/kernel/numa_balancing": "0"})
    assert "numa_balancing" not in advice(tmp_path / "one", balancing | {f"{NODE}/online": "0"})


@pytest.mark.parametrize(
    ("cpu_max", "is_advised"), [("150000 100000", 1), ("800000 100000", 0), ("max 100000", 0)]
)
def test_a_quota_below_the_cpus(tmp_path: Path, cpu_max: str, is_advised: bool) -> None:
    """A quota of fewer CPUs than there are is reported with its group; a larger one isn't."""
    found = advice(tmp_path, {"proc/self/cgroup": "0::/box", f"{BOX}/cpu.max": cpu_max})
    assert ("cpu_quota" in found) == is_advised
    seen = "1.5 CPU(s) on 8 CPUs, set by /sys/fs/cgroup/group-1, in periods of 0.1 s"
    assert not is_advised or seen in found["cpu_quota"].seen


def test_the_group_that_was_stopped_most_is_told(tmp_path: Path) -> None:
    """Counts of an ancestor count as well; a group that was never stopped is no advice."""
    facts = {
        "proc/self/cgroup": "0::/box/inner",
        f"{BOX}/inner/cpu.stat": "nr_periods 10\nnr_throttled 1",
        f"{BOX}/cpu.stat": "nr_periods 100\nnr_throttled 25",
    }
    assert "/group-1 in 25 of 100 periods" in advice(tmp_path, facts)["quota_throttling"].seen
    never = {name: "nr_periods 9\nnr_throttled 0" for name in facts if name.endswith("cpu.stat")}
    assert "quota_throttling" not in advice(tmp_path, facts | never)
