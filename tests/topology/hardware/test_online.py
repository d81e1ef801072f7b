"""Which CPUs are online where the files and the process's mask don't agree."""

import os
import sys
from pathlib import Path

import pytest

from autotp.topology.hardware.online import read_online
from autotp.topology.tree.tree import Tree
from tests.support import rig
from tests.support.cpu_tables import CPU, files, two_sockets
from tests.support.described import Described
from tests.support.models import matmul_model
from tests.support.recorded_files import write
from tests.support.rig import requires_rig

MASK = "proc/self/status"


@pytest.mark.parametrize(
    ("mask", "online", "listed"),
    [
        ({0, 1, 2, 3}, (0, 1, 2, 3), True),
        ({2}, (0, 1, 2, 3), True),
        ({4, 5, 6, 7}, (4, 5, 6, 7), False),
        ({2, 3, 4, 5}, (2, 3, 4, 5), False),
    ],
)
def test_the_cpus_that_this_process_runs_on_are_online(
    mask: set[int], online: tuple[int, ...], listed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the live machine a mask beyond the list, also in part, shows that the list is about other numbers."""
    tree = Tree(write(tmp_path, {f"{CPU}/online": "0-3\n"}))
    tree.recorded = False
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: mask)
    assert read_online(tree) == (online, listed)


@pytest.mark.parametrize(
    ("online", "mask", "expected"),
    [
        ({0, 1}, "0-7", ((0, 1), True)),
        ({0, 1, 2}, "1-7", ((0, 1, 2), True)),
        ({0, 1}, "4-5", ((4, 5), False)),
        ({0, 1}, "64-67", ((64, 65, 66, 67), False)),
    ],
)
def test_a_recorded_mask_may_name_offline_cpus(
    online: set[int], mask: str, expected: tuple[tuple[int, ...], bool], tmp_path: Path
) -> None:
    """The kernel's file names CPUs that could come online, too; but a process ran on one of them at least."""
    tree = files(two_sockets(), online=online) | {MASK: f"Cpus_allowed_list:\t{mask}\n"}
    assert read_online(Tree(write(tmp_path, tree))) == expected


def test_a_recorded_cpu_with_a_topology_was_online(tmp_path: Path) -> None:
    """A mask that is partly beyond the list shows another numbering where its CPUs are online by their folders."""
    tree = files(two_sockets()) | {f"{CPU}/online": "0-3\n", MASK: "Cpus_allowed_list:\t2-5\n"}
    assert read_online(Tree(write(tmp_path, tree))) == ((2, 3, 4, 5), False)


@requires_rig(shim=True)
def test_a_model_is_measured_on_cpus_that_are_not_listed(tmp_path: Path) -> None:
    """OpenVINO uses the CPUs that both the mask and the list have."""
    measure = (sys.executable, "-m", "autotp", "measure", str(matmul_model(tmp_path)), "--budget", "1s", "--json")
    pretended = Described(cores_per_node=8, offline=(4, 5, 6, 7))
    renumbered = ("env", "AUTOTP_RIG_CPUS=2-5", *measure)
    done = rig.run(pretended, renumbered, shim=True, tmp=tmp_path, timeout_s=60)
    assert (done.returncode, '"latency_p50_s"' in done.stdout) == (0, True), done.stderr
