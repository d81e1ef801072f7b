"""One piece of advice about what disturbs measurements, and the facts that checks infer it from."""

import msgspec

from autotp.topology.hardware.machine import Cpu
from autotp.topology.probe import Topology
from autotp.topology.tree.ticks import Ticks
from autotp.topology.tree.tree import Tree


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, with figures, why it matters, and what to do; `id` never changes between versions.

    It is stored in studies and attached to reports, so it holds no private names of groups.
    """

    id: str
    seen: str
    why: str
    do: str


class StealSample(msgspec.Struct, frozen=True, kw_only=True):
    """A running sample of steal: each CPU's `ticks` at its start, `began_s` of `time.monotonic`.

    It takes at least `least_s` seconds.
    """

    ticks: dict[int, Ticks]
    began_s: float
    least_s: float


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks look at; `steal_sample` is None if steal isn't sampled, as for a recording."""

    tree: Tree
    topology: Topology
    steal_sample: StealSample | None = None

    @property
    def allowed(self) -> tuple[Cpu, ...]:
        """The machine's CPUs that are in the envelope."""
        within = frozenset(self.topology.envelope.cpus)
        return tuple(cpu for cpu in self.topology.machine.cpus if cpu.id in within)
