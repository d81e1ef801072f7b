"""The choices of a knob on one machine, and turning chosen values into a config."""

from collections.abc import Mapping

import msgspec

from autotp.space.knobs.config import Config
from autotp.space.knobs.table import KNOBS, Value

Choice = Value | None  # None: the knob isn't set, so OpenVINO chooses


class BoundKnob(msgspec.Struct, frozen=True, kw_only=True):
    """The choices of a knob on one machine.

    Attributes:
        name: of the knob.
        choices: its values; with `multiple_of`, factors by which the value of that knob is multiplied.
        when: the knobs that this one depends on, each with the values for which this one is chosen.
        multiple_of: the name of the other knob, if this one is a multiple of it.
    """

    name: str
    choices: tuple[Choice, ...]
    when: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
    multiple_of: str | None = None

    def active(self, chosen: Mapping[str, Choice]) -> bool:
        """Whether this knob is chosen at all, given the values `chosen` for other knobs."""
        if self.multiple_of is not None and chosen.get(self.multiple_of) is None:
            return False
        return all(chosen.get(other) in wanted for other, wanted in self.when)

    def value(self, choice: Choice, chosen: Mapping[str, Choice]) -> Choice:
        """Return the knob's value for `choice`: the choice, or with `multiple_of` the product."""
        if self.multiple_of is None or choice is None:
            return choice
        base = chosen[self.multiple_of]
        return base * choice if isinstance(base, int) and isinstance(choice, int) else None


def config_of(chosen: Mapping[str, Choice]) -> Config:
    """Return the config with the values `chosen`; None means that a knob isn't set."""
    settings = ((name, chosen.get(name)) for name in KNOBS)
    return Config(tuple((name, value) for name, value in settings if value is not None))
