"""Constraints: bounds on metrics that a config must keep to be shipped, such as `latency_p99<20ms`."""

import re
from collections.abc import Mapping
from math import log

import msgspec

from autotp.errors import InputError
from autotp.measure import Metric

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_FORM = re.compile(r"\s*(\w+)\s*(<=?|>=?)\s*([0-9.]+(?:e[-+]?[0-9]+)?)\s*([a-z/]*)\s*", re.I)


class Constraint(msgspec.Struct, frozen=True):
    """`metric` must stay below `bound` (SI), or above it where `above`. `text` is as the person wrote it."""

    metric: Metric
    bound: float
    above: bool
    text: str

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return by which fraction of the bound `metrics` break it: 0 or less where they keep it."""
        excess = metrics[self.metric.key] / self.bound - 1.0
        return -excess if self.above else excess

    def log_excess(self, metrics: Mapping[str, float]) -> float:
        """Return the log of how many times beyond the bound `metrics` are: 0 or less where they keep it."""
        excess = log(metrics[self.metric.key] / self.bound)
        return -excess if self.above else excess


def parse_constraint(text: str, generates: bool = False) -> Constraint:
    """Parse `latency_p99<20ms` or `throughput>100`, of a language model, which `generates`, `tokens_per_s>20`.

    Raises:
        InputError: another form, an unknown metric or unit, or a bound of zero.
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        form = "first_token_latency<2s or tokens_per_s>20" if generates else "latency_p99<20ms or throughput>100"
        raise InputError(f"Constraint {text!r} isn't of the form {form}.")
    metric = Metric.named(parts[1], generates)
    unit = parts[4].lower()
    units = {"": 1.0, "/s": 1.0} if metric.maximize else _UNITS
    if unit not in units:
        raise InputError(f"Constraint {text!r}: give the bound of {metric} in {', '.join(filter(None, units))}.")
    try:
        bound = float(parts[3]) * units[unit]
    except ValueError:
        bound = 0.0
    if bound <= 0.0:
        raise InputError(f"Constraint {text!r}: the bound must be a number above zero.")
    return Constraint(metric, bound, parts[2].startswith(">"), text)


def violations(constraints: tuple[Constraint, ...], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the violation of each constraint by its text."""
    return {constraint.text: constraint.violation(metrics) for constraint in constraints}
