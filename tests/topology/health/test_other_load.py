"""Advice about others on the machine, and on the host of a virtual one."""

import time
from pathlib import Path

import pytest

from autotp.topology.health.advice import Advice, Inspection, StealSample
from autotp.topology.health.other_load import begin_steal_sample, virtual_machine
from autotp.topology.probe import probe
from autotp.topology.tree.ticks import Ticks
from autotp.topology.tree.tree import Tree
from tests.support.cpu_tables import files, two_sockets
from tests.support.health_advice import advice
from tests.support.recorded_files import write

GUEST = {"proc/cpuinfo": "processor : 0\nflags : avx2 hypervisor"}


@pytest.mark.parametrize(
    ("load", "waiting", "is_advised"),
    [
        ("3.50", "0.00", True),
        ("0.60", "0.00", False),
        ("0.10", "12.50", True),
        ("0.10", "0.50", False),
        ("0.80", None, True),
    ],
)
def test_load_and_pressure(tmp_path: Path, load: str, waiting: str | None, is_advised: bool) -> None:
    """A tenth of the CPUs busy, and processes that wait, are each reported with a figure."""
    facts = {"proc/loadavg": f"{load} 1.00 1.00 4/900 77"}
    if waiting is not None:
        facts["proc/pressure/cpu"] = f"some avg10={waiting} avg60=0.4 avg300=2.1 total=10\n"
    found = advice(tmp_path, facts)
    assert ("other_load" in found) == is_advised
    if is_advised:
        assert (f"{float(load):g} on 8 CPUs" in found["other_load"].seen) == (float(load) >= 0.8)
        assert (f"{waiting} % of" in found["other_load"].seen.replace(".5 ", ".50 ")) == (waiting == "12.50")


def test_steal_since_boot(tmp_path: Path) -> None:
    """A recording shows how much the host took since boot from the CPUs that may be used."""
    stat = "cpu  9 9\ncpu0 90 0 0 0 0 0 0 10 0 0\ncpu7 0 0 0 0 0 0 0 100 0 0\n"
    facts = GUEST | {"proc/stat": stat, "proc/self/status": "Cpus_allowed_list: 0-3"}
    assert "took 10.00 % since boot" in advice(tmp_path, facts)["virtual_machine"].seen


def test_steal_without_a_flag_is_a_guest(tmp_path: Path) -> None:
    """Other architectures have no flag, but only a guest is stolen from; bare metal needs no advice."""
    assert "virtual_machine" in advice(tmp_path, {"proc/stat": "cpu0 90 0 0 0 0 0 0 10"})
    assert "virtual_machine" not in advice(tmp_path, {"proc/stat": "cpu0 90 0 0 0 0 0 0 0"})


def test_a_cpu_that_stat_leaves_out_has_unknown_steal(tmp_path: Path) -> None:
    """CPUs without a line in /proc/stat are neither clean nor dirty."""
    assert (
        "took 10.00 % since"
        in advice(tmp_path, GUEST | {"proc/stat": "cpu2 90 0 0 0 0 0 0 10"})["virtual_machine"].seen
    )
    unknown = advice(tmp_path, GUEST | {"proc/stat": "cpu9 90 0 0 0 0 0 0 10"})["virtual_machine"]
    assert "an unknown share" in unknown.seen


def test_steal_of_the_last_moment_is_reported_separately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readings show the present steal, whatever it was since boot."""
    root = write(tmp_path, files(two_sockets()) | GUEST | {"proc/stat": "cpu0 1000 0 0 0 0 0 0 0"})
    steal_sample, clock_s = begin_steal_sample(Tree(root), 0.2), time.monotonic()

    def wait(seconds: float) -> None:
        nonlocal clock_s
        clock_s += seconds
        write(root, {"proc/stat": "cpu0 1075 0 0 0 0 0 0 25"})

    monkeypatch.setattr("time.monotonic", lambda: clock_s)
    monkeypatch.setattr("time.sleep", wait)
    found = virtual_machine(Inspection(tree=Tree(root), topology=probe(root), steal_sample=steal_sample))
    assert isinstance(found, Advice)
    assert "0.00 % since boot and 25.0 % in the last 0.2 s" in found.seen


def test_nobody_waits_for_a_sample_that_lasted_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs while the rest is read; how long that took is said."""
    root = write(tmp_path, files(two_sockets()) | GUEST | {"proc/stat": "cpu0 150 0 0 0 0 0 0 50"})
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited"))
    monkeypatch.setattr("time.monotonic", lambda: 7.3)
    ticks = {0: Ticks(total=100, idle=0, steal=0)}
    steal_sample = StealSample(ticks=ticks, began_s=7.0, least_s=0.2)
    found = virtual_machine(Inspection(tree=Tree(root), topology=probe(root), steal_sample=steal_sample))
    assert isinstance(found, Advice)
    assert "50.0 % in the last 0.3 s" in found.seen


def test_nobody_waits_where_there_is_nothing_to_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc/stat a second look would show nothing either."""
    root = write(tmp_path, files(two_sockets()) | GUEST)
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("waited"))
    steal_sample = begin_steal_sample(Tree(root), 0.2)
    found = virtual_machine(Inspection(tree=Tree(root), topology=probe(root), steal_sample=steal_sample))
    assert isinstance(found, Advice)
    assert "an unknown share" in found.seen
