"""What would make a measurement here untrustworthy, and what to do about each.

A fact that can't be read or understood is unknown: silent, never advice.
"""

from collections.abc import Callable
from pathlib import Path

from autotp.errors import TopologyError
from autotp.topology.health.advice import Advice, Scene
from autotp.topology.health.clocks import governor, thermal, turbo
from autotp.topology.health.other_load import other_load, virtual_machine
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
    root: Path | None = None, *, topology: Topology | None = None, steal_sample_s: float = 0.2
) -> tuple[Advice, ...]:
    """Advice for the live machine, or for the recorded `/proc` and `/sys` below `root`; empty if all is well.

    `topology` spares probing again. The live machine is watched for `steal_sample_s`; 0 looks at the time since
    boot alone, as a recording does. Raises TopologyError as `probe` does.
    """
    tree = Tree(root)
    return advise(tree, topology or read_topology(tree), 0.0 if tree.recorded else steal_sample_s)


def advise(tree: Tree, topology: Topology, sample_s: float = 0.0) -> tuple[Advice, ...]:
    """What the files of `tree` advise to those who measure in `topology`."""
    scene = Scene(tree=tree, topology=topology, sample_s=sample_s)
    found = (_checked(check, scene) for check in _CHECKS)
    return tuple(advice for advice in found if advice is not None)


def _checked(check: Callable[[Scene], Advice | None], scene: Scene) -> Advice | None:
    try:
        return check(scene)
    except TopologyError:
        return None
