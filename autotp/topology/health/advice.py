"""One thing that makes a measurement untrustworthy, and the facts that it is inferred from."""

import msgspec

from autotp.topology.hardware.machine import Cpu
from autotp.topology.probe import Topology
from autotp.topology.tree.ticks import Ticks
from autotp.topology.tree.tree import Tree


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, with figures, why it matters, and what to do; `id` is a stable word.

    It is kept in studies and attached to reports, so it names no private group.
    """

    id: str
    seen: str
    why: str
    do: str


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A look at what the CPUs do that began at `began_s` of `time.monotonic`, with their `ticks` until then."""

    ticks: dict[int, Ticks]
    began_s: float
    least_s: float


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Where a measurement would run; `watch` is None where nothing is watched, as in a recording."""

    tree: Tree
    topology: Topology
    watch: Watch | None = None

    @property
    def allowed(self) -> tuple[Cpu, ...]:
        """The machine's CPUs that the envelope has."""
        within = frozenset(self.topology.envelope.cpus)
        return tuple(cpu for cpu in self.topology.machine.cpus if cpu.id in within)
