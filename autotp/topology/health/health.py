"""Runs all health checks: what would disturb measurements on this machine, and what to do about it.

A fact that can't be read or parsed counts as unknown and gives no advice.
"""

from collections.abc import Callable
from pathlib import Path

from autotp.errors import TopologyError
from autotp.topology.health.advice import Advice, Inspection, StealSample
from autotp.topology.health.clocks import governor, thermal, turbo
from autotp.topology.health.other_load import begin_steal_sample, other_load, virtual_machine
from autotp.topology.health.sharing import (
    huge_pages,
    numa_balancing,
    other_cpus_listed,
    quota,
    quota_throttling,
    siblings_inside,
    siblings_outside,
)
from autotp.topology.probe import Topology, read_topology
from autotp.topology.tree.tree import Tree

# Ten of the kernel's ticks on each CPU: the shortest sample that shows a steal of a few per cent on a few CPUs.
STEAL_SAMPLE_S = 0.1

# Checks in the order of their advice. The last one waits for the end of the steal sample.
_CHECKS: tuple[Callable[[Inspection], Advice | None], ...] = (
    governor,
    turbo,
    thermal,
    other_cpus_listed,
    siblings_outside,
    siblings_inside,
    quota,
    quota_throttling,
    huge_pages,
    numa_balancing,
    other_load,
    virtual_machine,
)


def health(
    root: Path | None = None, *, topology: Topology | None = None, steal_sample_s: float = STEAL_SAMPLE_S
) -> tuple[Advice, ...]:
    """Return advice for the live machine, or for the recorded `/proc` and `/sys` below `root`; empty for none.

    With `topology` the machine isn't probed again. Steal on the live machine is sampled for at least
    `steal_sample_s` seconds while everything else is read; 0 takes only the figure since boot, as for a recording.

    Raises:
        TopologyError: as for `probe`.
    """
    tree = Tree(root)
    steal_sample = begin_steal_sample(tree, steal_sample_s) if steal_sample_s > 0 and not tree.recorded else None
    return advise(tree, topology or read_topology(tree), steal_sample)


def advise(tree: Tree, topology: Topology, steal_sample: StealSample | None = None) -> tuple[Advice, ...]:
    """Return the advice of all checks for measurements in `topology`, from `tree` and a started steal sample."""
    inspection = Inspection(tree=tree, topology=topology, steal_sample=steal_sample)
    found = (_checked(check, inspection) for check in _CHECKS)
    return tuple(advice for advice in found if advice is not None)


def _checked(check: Callable[[Inspection], Advice | None], inspection: Inspection) -> Advice | None:
    try:
        return check(inspection)
    except TopologyError:
        return None
