"""Binding: a space's words become this machine's numbers, and what can't run here is dropped, with reasons."""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial

import msgspec

from autotp.errors import InfeasibleError, SpaceError
from autotp.space.aliases.grid import Grid
from autotp.space.aliases.merge import Merged, Rule
from autotp.space.aliases.predictor import Predictor
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from autotp.space.knobs.table import Word
from autotp.space.limits.affinity import AFFINITY_KNOBS, affinity, nodes_spanned, sockets_spanned
from autotp.space.limits.quota import THREADS, beyond_quota, bounded, threads_within
from autotp.space.limits.rules import COMBINED_KNOBS, SPLIT_KNOBS, config_dropped, value_dropped
from autotp.space.schema.choices import BoundKnob, Choice
from autotp.space.schema.conditions import settle
from autotp.space.schema.space_file import Item, KnobSpec, Space
from autotp.topology import Topology


class Dropped(msgspec.Struct, frozen=True):
    """What was dropped, why, and how many configs it stands for (None for a value of a knob)."""

    what: str
    reason: str
    configs: int | None = None


class Census(msgspec.Struct, frozen=True):
    """How many configs a bound space holds, how many OpenVINO can tell apart, and what was dropped."""

    configs: int
    effective_configs: int
    dropped: tuple[Dropped, ...]


class BoundSpace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A space on one machine: finite, with only values that can run there."""

    name: str
    knobs: tuple[BoundKnob, ...]
    dropped: tuple[Dropped, ...]
    topology: Topology
    fitting_threads: int | None = None  # where a CPU quota bounds them
    layers: tuple[FullyConnected, ...] | None = None  # of the model, where there is one

    @cached_property
    def grid(self) -> Grid:
        """Every combination that the conditions admit, those without an effect included."""
        return Grid(self.knobs)

    @cached_property
    def predictor(self) -> Predictor:
        """What OpenVINO will make of configs on this machine."""
        return Predictor(self.topology, self.layers)

    @cached_property
    def merged(self) -> Merged:
        """The effective configs."""
        return Merged(self.grid, self.predictor, self._rules())

    def why_not(self, config: Config) -> str | None:
        """Return why `config` can't run here or has no effect of its own, None where it can and has."""
        return next((reason for rule in self._rules() if (reason := rule.why_not(config))), None)

    def effective(self) -> Iterator[Config]:
        """Yield one config for each predicted effective config: the simplest of its aliases."""
        return (self.grid.config(int(row)) for row in self.merged.rows)

    def census(self) -> Census:
        """Count the configs, the effective configs, and what was dropped for which reason."""
        combined = (Dropped("combination", reason, count) for reason, count in self.merged.dropped.items())
        return Census(self.merged.feasible, len(self.merged.rows), (*self.dropped, *combined))

    def _rules(self) -> Iterator[Rule]:
        yield Rule(AFFINITY_KNOBS, self._affinity_dropped)
        for knob in self.knobs:
            if knob.multiple_of is not None:  # only the factors were there to be checked by `bind`
                yield Rule((knob.name,), partial(self._product_dropped, knob.name))
        yield Rule(COMBINED_KNOBS, config_dropped)
        yield Rule(SPLIT_KNOBS, self._split_dropped)
        if self.fitting_threads is not None:
            yield Rule((*AFFINITY_KNOBS, THREADS), self._quota_dropped)

    def _affinity_dropped(self, config: Config) -> str | None:
        try:
            affinity(config, self.topology.machine, self.topology.envelope)
        except SpaceError as error:
            return str(error)
        return None

    def _split_dropped(self, config: Config) -> str | None:
        split = config.graph_split
        return None if split is None or self.layers is None else split.why_not(self.layers)

    def _quota_dropped(self, config: Config) -> str | None:
        """Return why a config doesn't fit the quota though its values do: no threads set, or those of a split."""
        if self._affinity_dropped(config):
            return None  # that says why
        threads, sockets = config.count(THREADS), self.predictor.sockets(config) if config.tensor_parallel else 1
        instances = config.count("instances") or 1
        if threads is None or threads * sockets * instances <= (self.fitting_threads or 1):
            return beyond_quota(self.topology.envelope) if threads is None else None
        where = f"on each of {sockets} sockets" if sockets > 1 else f"in each of {instances} instances"
        return f"{threads} thread(s) {where}: {beyond_quota(self.topology.envelope)}"

    def _product_dropped(self, name: str, config: Config) -> str | None:
        value = config.get(name)
        reason = None if value is None else value_dropped(name, value, self.topology, ())
        return f"{name}={value}: {reason}" if reason else None


def bind(
    space: Space,
    topology: Topology,
    allowed_precisions: tuple[str, ...] = (),
    layers: tuple[FullyConnected, ...] | None = None,
    void_knobs: Mapping[str, str] = {},
) -> BoundSpace:
    """Bind `space` to the machine and envelope of `topology`.

    Args:
        space: the knobs and their items.
        topology: the machine and what the process may use of it.
        allowed_precisions: precisions below OpenVINO's default that the person accepts, for example `bf16`.
        layers: those of the model that can be split in the graph; None where there is no model.
        void_knobs: knobs that mean nothing to what is to be measured, with the reason.

    Raises:
        InfeasibleError: a knob is held at a value that can't run here.
        SpaceError: a knob is held that means nothing to what is to be measured.
    """
    dropped: list[Dropped] = []
    knobs: list[BoundKnob] = []
    for spec in space.specs:
        if reason := void_knobs.get(spec.knob.name):
            if spec.held:
                raise SpaceError(f"{spec.knob.name} can't be set: {reason}.")
            dropped.append(Dropped(spec.knob.name, reason))
            continue
        knob, lost = _bind_knob(spec, topology, allowed_precisions)
        dropped += lost
        if knob.choices:
            knobs.append(knob)
        elif spec.held:
            raise InfeasibleError(f"{lost[0].what} can't run here: {lost[0].reason}.")
        else:
            dropped.append(Dropped(knob.name, "none of its values can run here, so OpenVINO chooses"))
    held = any(spec.held and spec.knob.name == THREADS for spec in space.specs)
    fitting = None if held else threads_within(topology.envelope)
    if fitting is not None:
        knobs = bounded(knobs, fitting)
        dropped.append(Dropped(f"{THREADS} left to OpenVINO", beyond_quota(topology.envelope)))
    settled, reasons = settle(knobs)
    dropped += (Dropped(name, reason) for name, reason in reasons.items())
    return BoundSpace(
        name=space.name,
        knobs=tuple(settled),
        dropped=tuple(dropped),
        topology=topology,
        fitting_threads=fitting,
        layers=layers,
    )


def _bind_knob(spec: KnobSpec, topology: Topology, allowed: tuple[str, ...]) -> tuple[BoundKnob, list[Dropped]]:
    name = spec.knob.name
    choices: list[Choice] = []
    dropped: list[Dropped] = []
    for choice in dict.fromkeys(_settled(name, item, topology) for item in _bind_items(spec.items, topology)):
        if choice is None or spec.multiple_of is not None:
            choices.append(choice)
        elif reason := value_dropped(name, choice, topology, allowed, spec.held):
            dropped.append(Dropped(str(Config(((name, choice),))), reason))
        else:
            choices.append(choice)
    when = tuple((condition.knob, _bind_items(condition.items, topology)) for condition in spec.when)
    bound = BoundKnob(name=name, choices=tuple(choices), when=when, multiple_of=spec.multiple_of)
    return bound, dropped


def _settled(name: str, choice: Choice, topology: Topology) -> Choice:
    """Return `choice`, None where it says what is so without it: a single instance, or every node."""
    if name == "instances" and choice == 1:
        return None
    if name == "numa_nodes" and choice == len(nodes_spanned(topology.machine, topology.envelope.cpus)):
        return None
    return choice


def _bind_items(items: tuple[Item, ...], topology: Topology) -> tuple[Choice, ...]:
    return tuple(choice for item in items for choice in _bind_item(item, topology))


def _bind_item(item: Item, topology: Topology) -> tuple[Choice, ...]:
    machine, cpus = topology.machine, topology.envelope.cpus
    match item:
        case Word.DEFAULT:
            return (None,)
        case Word.PER_NODE:
            return (len(nodes_spanned(machine, cpus)),)
        case Word.PER_SOCKET:
            return (len(sockets_spanned(machine, cpus)),)
        case Word.EACH_SOCKET:
            return tuple(range(1, len(split_places(machine, cpus)) + 1))
        case Word.DIVISORS:
            within = frozenset(cpus)
            cores = len({cpu.core for cpu in machine.cpus if cpu.id in within})
            return tuple(count for count in range(1, cores + 1) if cores % count == 0)
    return (item,)
