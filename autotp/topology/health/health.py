"""What would make a measurement here untrustworthy, and what to do about each.

A fact that can't be read or understood is unknown: silent, never advice.
"""

from collections.abc import Callable
from pathlib import Path

from autotp.errors import TopologyError
from autotp.topology.health.advice import Advice, Scene, Watch
from autotp.topology.health.clocks import governor, thermal, turbo
from autotp.topology.health.other_load import begin_watch, other_load, virtual_machine
from autotp.topology.health.sharing import (
    huge_pages,
    numa_balancing,
    quota,
    quota_throttling,
    siblings_inside,
    siblings_outside,
)
from autotp.topology.probe import Topology, read_topology
from autotp.topology.tree.tree import Tree

# Ten of the kernel's ticks on each CPU: the shortest watch that shows a steal of a few per cent on a few CPUs.
STEAL_SAMPLE_S = 0.1

# Checks in the order in which their advice is given. The last one waits for the end of the watch.
_CHECKS: tuple[Callable[[Scene], Advice | None], ...] = (
    governor,
    turbo,
    thermal,
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
    """Advice for the live machine, or for the recorded `/proc` and `/sys` below `root`; empty if all is well.

    `topology` spares probing again. The live machine is watched for `steal_sample_s`, while all the rest is read;
    0 looks at the time since boot alone, as a recording does. Raises TopologyError as `probe` does.
    """
    tree = Tree(root)
    watch = begin_watch(tree, steal_sample_s) if steal_sample_s > 0 and not tree.recorded else None
    return advise(tree, topology or read_topology(tree), watch)


def advise(tree: Tree, topology: Topology, watch: Watch | None = None) -> tuple[Advice, ...]:
    """What the files of `tree`, and a `watch` that began, advise to those who measure in `topology`."""
    scene = Scene(tree=tree, topology=topology, watch=watch)
    found = (_checked(check, scene) for check in _CHECKS)
    return tuple(advice for advice in found if advice is not None)


def _checked(check: Callable[[Scene], Advice | None], scene: Scene) -> Advice | None:
    try:
        return check(scene)
    except TopologyError:
        return None
