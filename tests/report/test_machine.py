"""A machine and the advice about it, as printed."""

import io
from pathlib import Path

from rich.console import Console

from autotp.report.machine import health_view, topology_tree
from autotp.topology.hardware.cpuinfo import X86_ISA
from autotp.topology.health.advice import Advice
from autotp.topology.probe import narrow, probe
from autotp.topology.summary import summary
from tests.support.cpu_tables import NODE, files, two_sockets
from tests.support.printed import missing, printed
from tests.support.recorded_files import write
from tests.support.trees import Described, build


def test_nodes_have_memory_and_distances(tmp_path: Path) -> None:
    """A node's line shows its facts; a node with memory only is listed beside the sockets."""
    tree = files(two_sockets()) | {
        f"{NODE}/node0/distance": "10 21 17",
        f"{NODE}/node0/meminfo": "Node 0 MemTotal: 1048576 kB",
        f"{NODE}/node7/cpumap": "0",
    }
    topology = probe(write(tmp_path, tree))
    shown = printed(topology_tree(topology, summary(topology)))
    assert "NUMA node 0: CPUs 0-1,4-5, memory 1 GiB, distances 10 21 17\n" in shown
    assert "NUMA node 1: CPUs 2-3,6-7\n" in shown
    assert "── NUMA node 7: memory only\n" in shown


def test_the_envelope_says_why(tmp_path: Path) -> None:
    """The reason for the CPUs, and that nothing limits the rest."""
    whole = probe(write(tmp_path, files(two_sockets())))
    for topology, reason in ((whole, "all that are online"), (narrow(whole, (0, 1)), "chosen by the caller")):
        shown = printed(topology_tree(topology, summary(topology)))
        assert [line for line in (reason, "no CPU quota", "no memory limit") if line not in shown] == []


def test_a_narrow_terminal_folds_what_is_long(tmp_path: Path) -> None:
    """Long lines are folded at the terminal's width, not cut off."""
    flags = " ".join(sorted(X86_ISA))
    topology = probe(write(tmp_path, files(two_sockets()) | {"proc/cpuinfo": f"flags : {flags}\n"}))
    console = Console(file=io.StringIO(), width=40, force_terminal=True, color_system=None)
    console.print(topology_tree(topology, summary(topology)), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert [flag for flag in X86_ISA if flag not in shown.split()] == []
    assert max(map(len, shown.splitlines())) <= 40


def test_advice_in_words() -> None:
    """Each advice says what was seen, why it matters and what to do; none is said as well."""
    item = Advice(id="turbo", seen="turbo is on [1]", why="it drifts", do="turn it off")
    assert printed(health_view((item,))) == "turbo: turbo is on [1]\n  why: it drifts\n  do:  turn it off\n"
    assert "nothing seen" in printed(health_view(()))


def test_the_tree_shows_the_machine_and_the_envelope(tmp_path: Path) -> None:
    """Sockets, nodes with their CPUs, caches, ISA, envelope and fingerprint are there."""
    topology = probe(build(Described(sockets=2, cores_per_node=2, smt=2), tmp_path / "machine"))
    found = printed(topology_tree(topology, summary(topology, "Xeon [tested]")))
    words = ["Xeon [tested]", "2 socket(s), 4 cores, 8 CPUs, SMT 2", "socket 0", "socket 1"]
    words += ["NUMA node 1: CPUs 2-3,6-7", "L3 unified: 2 × 105 MiB", "amx_bf16", "CPUs 0-7", "no CPU quota"]
    assert missing([*words, topology.fingerprint.id], found) == []
