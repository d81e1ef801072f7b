"""Constraints: bounds on metrics that the result must keep, such as `latency_p99<20ms`."""

import re
from collections.abc import Mapping, Sequence
from math import log

import msgspec

from autotp.errors import InputError
from autotp.findings.interval import Interval
from autotp.findings.metric import Metric, Unit, metric_named
from autotp.measuring.samples.statistics import t_interval

_UNITS: Mapping[Unit, Mapping[str, float]] = {
    Unit.PER_SECOND: {"": 1.0, "/s": 1.0},
    Unit.SECONDS: {"s": 1.0, "ms": 1e-3, "us": 1e-6},
    Unit.BYTES: {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}
_FORM = re.compile(r"\s*(\w+)\s*(<=?|>=?)\s*([0-9.]+(?:e[-+]?[0-9]+)?)\s*([a-z/]*)\s*", re.I)


class Constraint(msgspec.Struct, frozen=True):
    """A bound on a metric.

    Attributes:
        metric: what is bounded.
        bound: in SI units.
        above: whether the metric must stay above the bound rather than below it.
        text: the constraint as the user wrote it.
        unit: of the bound in `text`, which is `size` SI units.
        size: in SI units.
    """

    metric: Metric
    bound: float
    above: bool
    text: str
    unit: str = ""
    size: float = 1.0

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return how far `metrics` are beyond the bound, as a fraction of it: 0 or less if they keep it."""
        excess = metrics[self.metric.key] / self.bound - 1.0
        return -excess if self.above else excess

    def times_beyond(self, processes: Sequence[Mapping[str, float]], confidence: float) -> Interval:
        """Return how many times beyond the bound the metric is in the given processes: 1 or less keeps it.

        Args:
            processes: the metrics of each process.
            confidence: of the interval, which is over processes.
        """
        excesses = [log(metrics[self.metric.key] / self.bound) for metrics in processes]
        return t_interval([-excess if self.above else excess for excess in excesses], confidence)

    def spell(self, metrics: Mapping[str, float]) -> str:
        """Return the bounded metric's value in the unit of the bound."""
        value = metrics[self.metric.key] / self.size
        return f"{self.metric} {value:.4g} {self.unit}".rstrip()


def parse_constraint(text: str, known: Sequence[Metric], whose: str = "") -> Constraint:
    """Parse a bound on one of the `known` metrics: `latency_p99<20ms`, `throughput>100`, `memory<2GiB`.

    `whose` is passed on to `metric_named`.

    Raises:
        InputError: the text has another form, the metric or unit is unknown, or the bound is zero.
    """
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise InputError(f"Constraint {text!r} isn't of the form {_examples(known)}.")
    metric = metric_named(parts[1], known, whose, "metric")
    units = {unit.lower(): size for unit, size in _UNITS[metric.unit].items()}
    if (size := units.get(parts[4].lower())) is None:
        spelled = ", ".join(filter(None, _UNITS[metric.unit]))
        raise InputError(f"Constraint {text!r}: give the bound of {metric} in {spelled}.")
    try:
        bound = float(parts[3]) * size
    except ValueError:
        bound = 0.0
    if bound <= 0.0:
        raise InputError(f"Constraint {text!r}: the bound must be a number above zero.")
    return Constraint(metric, bound, parts[2].startswith(">"), text, parts[4], size)


def _examples(known: Sequence[Metric]) -> str:
    """Return two examples for errors: a bound on a latency and one on a rate."""
    slow = [metric for metric in known if metric.unit is Unit.SECONDS]
    rates = [metric for metric in known if metric.unit is Unit.PER_SECOND]
    return f"{slow[0]}<20ms or {rates[0]}>100"


def violations(constraints: tuple[Constraint, ...], metrics: Mapping[str, float]) -> dict[str, float]:
    """Return each constraint's violation, by the constraint's text."""
    return {constraint.text: constraint.violation(metrics) for constraint in constraints}


def broken(constraints: tuple[Constraint, ...], metrics: Mapping[str, float]) -> list[str]:
    """Return the texts of the constraints that `metrics` don't keep."""
    return [text for text, violation in violations(constraints, metrics).items() if violation > 0]
