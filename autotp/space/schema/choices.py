"""A knob's choices on one machine, and how choices make a config."""

from collections.abc import Mapping

import msgspec

from autotp.space.knobs.config import Config
from autotp.space.knobs.table import KNOBS, Value

Choice = Value | None  # None: not set, OpenVINO chooses


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
        if self.multiple_of is None or choice is None:
            return choice
        base = chosen[self.multiple_of]
        return base * choice if isinstance(base, int) and isinstance(choice, int) else None


def choose(knobs: tuple[BoundKnob, ...], choices: Mapping[str, Choice]) -> Config:
    """Return the config that `choices` (knob name to choice; inactive knobs are passed over) make."""
    chosen: dict[str, Choice] = {}
    for knob in knobs:
        choice = choices.get(knob.name) if knob.active(chosen) else None
        chosen[knob.name] = knob.value(choice, chosen)
    return config_of(chosen)


def config_of(chosen: Mapping[str, Choice]) -> Config:
    """Return the config of the values `chosen`; None stands for a knob that isn't set."""
    settings = ((name, chosen.get(name)) for name in KNOBS)
    return Config(tuple((name, value) for name, value in settings if value is not None))
