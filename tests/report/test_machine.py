"""A machine and the advice about it, as people see them."""

import io
from pathlib import Path

from rich.console import Console, RenderableType

from autotp.report.machine import health_view, topology_tree
from autotp.topology import Advice, narrow, probe, summary
from autotp.topology.hardware.cpuinfo import X86_ISA
from tests.support.cpu_tables import NODE, files, two_sockets
from tests.support.recorded_files import write


def _text(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(renderable, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_nodes_have_memory_and_distances(tmp_path: Path) -> None:
    """What is known of a node stands in its line; a node with memory only stands beside the sockets."""
    tree = files(two_sockets()) | {
        f"{NODE}/node0/distance": "10 21 17",
        f"{NODE}/node0/meminfo": "Node 0 MemTotal: 1048576 kB",
        f"{NODE}/node7/cpumap": "0",
    }
    topology = probe(write(tmp_path, tree))
    shown = _text(topology_tree(topology, summary(topology)))
    assert "NUMA node 0: CPUs 0-1,4-5, memory 1 GiB, distances 10 21 17\n" in shown
    assert "NUMA node 1: CPUs 2-3,6-7\n" in shown
    assert "── NUMA node 7: memory only\n" in shown


def test_the_envelope_says_why(tmp_path: Path) -> None:
    """The reason for the CPUs, and that nothing limits the rest."""
    whole = probe(write(tmp_path, files(two_sockets())))
    for topology, reason in ((whole, "all that are online"), (narrow(whole, (0, 1)), "chosen by the caller")):
        shown = _text(topology_tree(topology, summary(topology)))
        assert [line for line in (reason, "no CPU quota", "no memory limit") if line not in shown] == []


def test_a_narrow_terminal_folds_what_is_long(tmp_path: Path) -> None:
    """Nothing is cut off at the edge of a terminal, whatever else is printed as it is."""
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
    assert _text(health_view((item,))) == "turbo: turbo is on [1]\n  why: it drifts\n  do:  turn it off\n"
    assert "nothing seen" in _text(health_view(()))
