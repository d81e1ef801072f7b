"""Binding a space to a machine: words become numbers, and what can't run there is dropped, with reasons."""

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
from autotp.space.limits.precision import CACHE_KNOBS, cache_dropped
from autotp.space.limits.quota import THREADS, beyond_quota, threads_within, with_bounded_threads
from autotp.space.limits.rules import COMBINED_KNOBS, SPLIT_KNOBS, config_dropped, value_dropped
from autotp.space.schema.choices import BoundKnob, Choice, config_of
from autotp.space.schema.conditions import resolve_conditions
from autotp.space.schema.space_file import Item, KnobSpec, Space
from autotp.topology.probe import Topology


class Dropped(msgspec.Struct, frozen=True):
    """A value or combination that was dropped, why, and how many configs that were (None for a value or knob)."""

    what: str
    reason: str
    configs: int | None = None


class Census(msgspec.Struct, frozen=True):
    """The number of configs of a bound space, how many of them differ to OpenVINO, and what was dropped."""

    configs: int
    effective_configs: int
    dropped: tuple[Dropped, ...]


class BoundSpace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A space on one machine, with only the values that can run there."""

    name: str
    knobs: tuple[BoundKnob, ...]
    dropped: tuple[Dropped, ...]
    topology: Topology
    fitting_threads: int | None = None  # the most threads, if a CPU quota limits them
    layers: tuple[FullyConnected, ...] | None = None  # of the model, if there is one

    @cached_property
    def grid(self) -> Grid:
        """Every combination that the conditions allow, including those without an effect."""
        return Grid(self.knobs)

    @cached_property
    def predictor(self) -> Predictor:
        """Predicts the effective configs on this machine."""
        return Predictor(self.topology, self.layers)

    @cached_property
    def merged(self) -> Merged:
        """The effective configs."""
        return Merged(self.grid, self.predictor, self._rules())

    def why_not(self, config: Config) -> str | None:
        """Return why `config` can't run on this machine or has no effect, None if it can and has."""
        return next((reason for rule in self._rules() if (reason := rule.why_not(config))), None)

    def number(self, config: Config) -> int | None:
        """Return the number of `config`'s effective config; None if it isn't in the space or can't run."""
        if self.why_not(config) is not None:
            return None
        return self.merged.find(self.predictor.identity(config))

    def reset(self, config: Config, name: str) -> Config:
        """Return `config` with knob `name` left to OpenVINO, and without knobs that are chosen only with it."""
        kept: dict[str, Choice] = {}
        for knob in self.knobs:
            is_kept = knob.name != name and knob.active(kept)
            kept[knob.name] = config.get(knob.name) if is_kept else None
        return config_of(kept)

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
            if knob.multiple_of is not None:  # `bind` could check its factors only
                yield Rule((knob.name,), partial(self._product_dropped, knob.name))
        yield Rule(COMBINED_KNOBS, config_dropped)
        yield Rule(CACHE_KNOBS, cache_dropped)
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
        """Return why `config` exceeds the CPU quota though each value fits: no threads set, or too many in sum."""
        if self._affinity_dropped(config):
            return None  # that rule gives the reason
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
        space: the space to bind.
        topology: the machine and what the process may use of it.
        allowed_precisions: precisions below OpenVINO's default that the user accepts, for example `bf16`.
        layers: the model's layers that can be split in the graph; None if there is no model.
        void_knobs: knobs without meaning for this workload, and why.

    Raises:
        InfeasibleError: a knob is fixed at a value that can't run here.
        SpaceError: a knob in `void_knobs` is fixed.
    """
    dropped: list[Dropped] = []
    knobs: list[BoundKnob] = []
    for spec in space.specs:
        if reason := void_knobs.get(spec.knob.name):
            if spec.fixed:
                raise SpaceError(f"{spec.knob.name} can't be set: {reason}.")
            dropped.append(Dropped(spec.knob.name, reason))
            continue
        knob, lost = _bind_knob(spec, topology, allowed_precisions)
        dropped += lost
        if knob.choices:
            knobs.append(knob)
        elif spec.fixed:
            raise InfeasibleError(f"{lost[0].what} can't run here: {lost[0].reason}.")
        else:
            dropped.append(Dropped(knob.name, "none of its values can run here, so OpenVINO chooses"))
    fixed = any(spec.fixed and spec.knob.name == THREADS for spec in space.specs)
    fitting = None if fixed else threads_within(topology.envelope)
    if fitting is not None:
        knobs = with_bounded_threads(knobs, fitting)
        dropped.append(Dropped(f"{THREADS} left to OpenVINO", beyond_quota(topology.envelope)))
    resolved, reasons = resolve_conditions(knobs)
    dropped += (Dropped(name, reason) for name, reason in reasons.items())
    return BoundSpace(
        name=space.name,
        knobs=tuple(resolved),
        dropped=tuple(dropped),
        topology=topology,
        fitting_threads=fitting,
        layers=layers,
    )


def _bind_knob(spec: KnobSpec, topology: Topology, allowed: tuple[str, ...]) -> tuple[BoundKnob, list[Dropped]]:
    name = spec.knob.name
    choices: list[Choice] = []
    dropped: list[Dropped] = []
    for choice in dict.fromkeys(_normalized(name, item, topology) for item in _bind_items(spec.items, topology)):
        if choice is None or spec.multiple_of is not None:
            choices.append(choice)
        elif reason := value_dropped(name, choice, topology, allowed, spec.fixed):
            dropped.append(Dropped(str(Config(((name, choice),))), reason))
        else:
            choices.append(choice)
    when = tuple((condition.knob, _bind_items(condition.items, topology)) for condition in spec.when)
    bound = BoundKnob(name=name, choices=tuple(choices), when=when, multiple_of=spec.multiple_of)
    return bound, dropped


def _normalized(name: str, choice: Choice, topology: Topology) -> Choice:
    """Return `choice`, or None if it means the same as not setting the knob: one instance, or all nodes."""
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
            cores = _cores(topology)
            return tuple(count for count in range(1, cores + 1) if cores % count == 0)
        case Word.ALL_BUT_ONE:
            return (max(1, _cores(topology) - 1),)
    return (item,)


def _cores(topology: Topology) -> int:
    """Return how many cores the process may use."""
    within = frozenset(topology.envelope.cpus)
    return len({cpu.core for cpu in topology.machine.cpus if cpu.id in within})
