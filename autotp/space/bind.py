"""Binding: a space's words become this machine's numbers, and what can't run here is dropped, with reasons."""

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from autotp.errors import InfeasibleError, SpaceError
from autotp.space.affinity import affinity, nodes_spanned, sockets_spanned
from autotp.space.config import Config
from autotp.space.effective import Identity, identity
from autotp.space.knobs import KNOBS, Value, Word
from autotp.space.rules import config_dropped, value_dropped
from autotp.space.schema import Item, KnobSpec, Space
from autotp.topology import Topology

Choice = Value | None  # None: not set, OpenVINO chooses


class Dropped(msgspec.Struct, frozen=True):
    """What was dropped, why, and how many configs it stands for (None for a value of a knob)."""

    what: str
    reason: str
    configs: int | None = None


class BoundKnob(msgspec.Struct, frozen=True, kw_only=True):
    """A knob's choices on one machine; with `multiple_of` they are factors of that knob's value."""

    name: str
    choices: tuple[Choice, ...]
    when: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
    multiple_of: str | None = None

    def active(self, chosen: Mapping[str, Choice]) -> bool:
        """Whether the knob is to be chosen, given the values of the knobs that it needs."""
        if self.multiple_of is not None and chosen.get(self.multiple_of) is None:
            return False
        return all(chosen.get(other) in wanted for other, wanted in self.when)

    def value(self, choice: Choice, chosen: Mapping[str, Choice]) -> Choice:
        """Return the knob's value for `choice`: the choice itself, or that multiple of the other knob."""
        if self.multiple_of is None:
            return choice
        base = chosen[self.multiple_of]
        return base * choice if isinstance(base, int) and isinstance(choice, int) else None


class Census(msgspec.Struct, frozen=True):
    """How many configs a bound space holds, how many OpenVINO can tell apart, and what was dropped."""

    configs: int
    effective_configs: int
    dropped: tuple[Dropped, ...]


class BoundSpace(msgspec.Struct, frozen=True, kw_only=True):
    """A space on one machine: finite, with only values that can run there."""

    name: str
    knobs: tuple[BoundKnob, ...]
    dropped: tuple[Dropped, ...]
    topology: Topology

    def configs(self) -> Iterator[Config]:
        """Yield every combination that the conditions admit, those without an effect included."""
        yield from (_config(chosen) for chosen in self._combinations(0, {}))

    def why_not(self, config: Config) -> str | None:
        """Return why `config` can't run here or has no effect of its own, None where it can and has."""
        try:
            affinity(config, self.topology.machine, self.topology.envelope)
        except SpaceError as error:
            return str(error)
        return self._multiple_dropped(config) or config_dropped(config)

    def effective(self) -> dict[Identity, Config]:
        """Return one config, the first met, for each predicted effective config."""
        found: dict[Identity, Config] = {}
        for config in self.configs():
            if self.why_not(config) is None:
                found.setdefault(identity(config, self.topology), config)
        return found

    def census(self) -> Census:
        """Count the configs, the effective configs, and what was dropped for which reason."""
        reasons: Counter[str] = Counter()
        identities: set[Identity] = set()
        configs = 0
        for config in self.configs():
            reason = self.why_not(config)
            if reason is None:
                configs += 1
                identities.add(identity(config, self.topology))
            else:
                reasons[reason] += 1
        combined = tuple(Dropped("combination", reason, count) for reason, count in reasons.items())
        return Census(configs, len(identities), self.dropped + combined)

    def _multiple_dropped(self, config: Config) -> str | None:
        """Return why a product can't run here: only the factors were there to be checked by `bind`."""
        for knob in self.knobs:
            value = config.get(knob.name) if knob.multiple_of is not None else None
            if value is not None and (reason := value_dropped(knob.name, value, self.topology, ())):
                return f"{knob.name}={value}: {reason}"
        return None

    def _combinations(self, position: int, chosen: dict[str, Choice]) -> Iterator[dict[str, Choice]]:
        if position == len(self.knobs):
            yield chosen
            return
        knob = self.knobs[position]
        choices = knob.choices if knob.active(chosen) else (None,)
        for choice in choices:
            value = None if choice is None else knob.value(choice, chosen)
            yield from self._combinations(position + 1, {**chosen, knob.name: value})


def bind(space: Space, topology: Topology, allowed_precisions: tuple[str, ...] = ()) -> BoundSpace:
    """Bind `space` to the machine and envelope of `topology`.

    Args:
        space: the knobs and their items.
        topology: the machine and what the process may use of it.
        allowed_precisions: precisions below OpenVINO's default that the person accepts, for example `bf16`.

    Raises:
        InfeasibleError: a knob is held at a value that can't run here.
    """
    dropped: list[Dropped] = []
    knobs: list[BoundKnob] = []
    for spec in space.specs:
        knob, lost = _bind_knob(spec, topology, allowed_precisions)
        dropped += lost
        if knob.choices:
            knobs.append(knob)
        elif spec.held:
            raise InfeasibleError(f"{lost[0].what} can't run here: {lost[0].reason}.")
    return BoundSpace(name=space.name, knobs=tuple(knobs), dropped=tuple(dropped), topology=topology)


def choose(knobs: tuple[BoundKnob, ...], choices: Mapping[str, Choice]) -> Config:
    """Return the config that `choices` (knob name to choice; inactive knobs are passed over) make."""
    chosen: dict[str, Choice] = {}
    for knob in knobs:
        choice = choices.get(knob.name) if knob.active(chosen) else None
        chosen[knob.name] = None if choice is None else knob.value(choice, chosen)
    return _config(chosen)


def _config(chosen: Mapping[str, Choice]) -> Config:
    settings = ((name, chosen.get(name)) for name in KNOBS)
    return Config(tuple((name, value) for name, value in settings if value is not None))


def _bind_knob(spec: KnobSpec, topology: Topology, allowed: tuple[str, ...]) -> tuple[BoundKnob, list[Dropped]]:
    name = spec.knob.name
    choices: list[Choice] = []
    dropped: list[Dropped] = []
    for choice in dict.fromkeys(_bind_items(spec.items, topology)):
        is_factor = spec.multiple_of is not None
        if choice is None or is_factor or not (reason := value_dropped(name, choice, topology, allowed)):
            choices.append(choice)
        else:
            dropped.append(Dropped(str(Config(((name, choice),))), reason))
    when = tuple((condition.knob, _bind_items(condition.items, topology)) for condition in spec.when)
    bound = BoundKnob(name=name, choices=tuple(choices), when=when, multiple_of=spec.multiple_of)
    return bound, dropped


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
            return tuple(range(1, len(sockets_spanned(machine, cpus)) + 1))
        case Word.DIVISORS:
            cores = len({cpu.core for cpu in machine.cpus if cpu.id in set(cpus)})
            return tuple(count for count in range(1, cores + 1) if cores % count == 0)
    return (item,)
