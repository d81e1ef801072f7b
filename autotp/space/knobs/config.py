"""A config: values for some knobs, one point of a search space."""

from collections.abc import Mapping

import msgspec

from autotp.space.knobs.graph_split import MIN_WEIGHTS, GraphSplit
from autotp.space.knobs.table import KNOBS, Value, knob_named


class Config(msgspec.Struct, frozen=True):
    """The knobs that are set and their values, in the order of the knob table, so that equal configs are equal."""

    settings: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> "Config":
        """Check `settings` (knob name to value) and return them as a config.

        Raises:
            SpaceError: an unknown knob, or a value that it doesn't take.
        """
        parsed = {name: knob_named(name).parse(item) for name, item in settings.items()}
        return cls(tuple((name, parsed[name]) for name in KNOBS if name in parsed))

    def get(self, name: str) -> Value | None:
        """Return the value of knob `name`, None where it isn't set."""
        return next((value for knob, value in self.settings if knob == name), None)

    def count(self, name: str) -> int | None:
        """Return the value of the count knob `name`, None where it isn't set."""
        value = self.get(name)
        return value if isinstance(value, int) else None

    def without(self, *names: str) -> "Config":
        """Return this config with the knobs `names` unset."""
        return Config(tuple(setting for setting in self.settings if setting[0] not in names))

    def only(self, *names: str) -> "Config":
        """Return this config with all knobs but `names` unset."""
        return Config(tuple(setting for setting in self.settings if setting[0] in names))

    @property
    def tensor_parallel(self) -> bool:
        """Whether OpenVINO's tensor-parallel policy is set."""
        return self.get("distribution_policy") == "tensor_parallel"

    @property
    def without_policy(self) -> "Config":
        """This config without the distribution policy and `split_count`."""
        return self.without("distribution_policy", "split_count")

    @property
    def graph_split(self) -> GraphSplit | None:
        """How fully connected layers are split in the graph, None if they aren't."""
        count, least = self.count("split_count"), self.count("split_min_weights")
        if self.tensor_parallel or count is None or count < 2:
            return None
        return GraphSplit(count, MIN_WEIGHTS if least is None else least)

    def properties(self) -> dict[str, str]:
        """Return the properties to pass to `compile_model`, as strings."""
        passed = {KNOBS[name].property: KNOBS[name].passed(value) for name, value in self.settings}
        return {name: text for name, text in passed.items() if name is not None and text is not None}

    def to_dict(self) -> dict[str, Value]:
        """Return the values by knob name, for files and study attributes."""
        return dict(self.settings)

    def __str__(self) -> str:
        return spell_config(self.to_dict())


def spell_value(value: object) -> str:
    """Return `value` as written in YAML: `true`, `[0, 1]`, `f32`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple | list) else str(value)


def spell_config(settings: Mapping[str, object]) -> str:
    """Return `settings` as text, such as `num_streams=2, nireq=4`.

    Knobs whose value changes nothing, such as `distribution_policy=none`, are left out, unless no other is set.
    """
    effective = {name: value for name, value in settings.items() if not _changes_nothing(name, settings)}
    shown = effective or settings
    return ", ".join(f"{name}={spell_value(value)}" for name, value in shown.items()) or "no knob set"


def _changes_nothing(name: str, settings: Mapping[str, object]) -> bool:
    """Whether knob `name` has the value that its property isn't passed for, or splits each layer into one part."""
    value, knob = settings[name], KNOBS.get(name)
    if name == "split_count":
        return value == 1 and settings.get("distribution_policy") != "tensor_parallel"
    return knob is not None and knob.not_passed is not None and value == knob.not_passed
