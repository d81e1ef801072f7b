"""The table of metrics. Each is declared once, here; measuring, files, options and reports read this table.

`autotp.measuring.samples.metrics` computes a metric from blocks. A metric can be an objective unless its
`objective` is False; a constraint can bound any metric.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from autotp.errors import InputError


class Unit(StrEnum):
    """The unit of a metric's values, spelled as at the end of the metric's key."""

    PER_SECOND = "per_s"
    SECONDS = "s"
    BYTES = "bytes"


class Statistic(StrEnum):
    """How a metric's value is computed from blocks."""

    RATE = "rate"  # the median over blocks of inferences or tokens per second
    QUANTILE = "quantile"  # of the samples of all blocks together
    MEAN = "mean"  # the median over blocks of the mean of their samples
    PEAK = "peak"  # the largest value of any block, which has it under the metric's key


class Samples(StrEnum):
    """The durations that metrics are computed from; a block has them as an attribute of this name plus `_s`."""

    LATENCIES = "latencies"
    FIRST_TOKENS = "first_tokens"
    SECOND_TOKENS = "second_tokens"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that can be an objective or be bounded by a constraint.

    Attributes:
        name: as users write it.
        unit: the unit of its values.
        statistic: how its value is computed from blocks.
        samples: which durations it is computed from; None if every block has its value.
        quantile: which one, from 0 to 1, if the statistic is a quantile.
        min_samples: the fewest samples in each process with which a gain in it can be proven. A value is reported
            from any number of samples.
        hint: the value of OpenVINO's performance hint that is meant for it.
        objective: whether it can be tuned for; if not, it can only be bounded.
        brief: whether short reports show it.
    """

    name: str
    unit: Unit
    statistic: Statistic
    samples: Samples | None = None
    quantile: float | None = None
    min_samples: int = 0
    hint: Literal["throughput", "latency"] = "latency"
    objective: bool = True
    brief: bool = True

    @property
    def key(self) -> str:
        """The name with its unit, as written in files: `throughput_per_s`, `latency_p50_s`, `memory_bytes`."""
        return self.name if self.name.endswith(f"_{self.unit}") else f"{self.name}_{self.unit}"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self.unit is Unit.PER_SECOND

    def loss(self, metrics: Mapping[str, float]) -> float:
        """Return its value in `metrics` (by key) with a sign such that less is better."""
        value = metrics[self.key]
        return -value if self.maximize else value

    def improved(self, value: float, gain: float) -> float:
        """Return the value that is `gain` times better than `value`."""
        return value * (gain if self.maximize else 1 / gain)

    def __str__(self) -> str:
        return self.name


def _latency(name: str, quantile: float, min_samples: int = 0, brief: bool = True) -> Metric:
    """Return the metric that is a quantile of inference latencies."""
    return Metric(
        name=name,
        unit=Unit.SECONDS,
        statistic=Statistic.QUANTILE,
        samples=Samples.LATENCIES,
        quantile=quantile,
        min_samples=min_samples,
        brief=brief,
    )


def _table(*metrics: Metric) -> Mapping[str, Metric]:
    return {metric.name: metric for metric in metrics}


# From p95 on, a proof needs so many samples in each process that five of them lie above the quantile.
METRICS = _table(
    Metric(
        name="throughput",
        unit=Unit.PER_SECOND,
        statistic=Statistic.RATE,
        samples=Samples.LATENCIES,
        hint="throughput",
    ),
    _latency("latency_p50", 0.5),
    _latency("latency_p90", 0.9, brief=False),
    _latency("latency_p95", 0.95, min_samples=100, brief=False),
    _latency("latency_p99", 0.99, min_samples=500),
    _latency("latency_p999", 0.999, min_samples=5000, brief=False),
    Metric(
        name="first_token_latency",
        unit=Unit.SECONDS,
        statistic=Statistic.MEAN,
        samples=Samples.FIRST_TOKENS,
    ),
    Metric(
        name="second_token_latency",
        unit=Unit.SECONDS,
        statistic=Statistic.MEAN,
        samples=Samples.SECOND_TOKENS,
    ),
    Metric(
        name="tokens_per_s",
        unit=Unit.PER_SECOND,
        statistic=Statistic.RATE,
        samples=Samples.SECOND_TOKENS,
    ),
    Metric(name="memory", unit=Unit.BYTES, statistic=Statistic.PEAK, objective=False, brief=False),
    Metric(name="compile", unit=Unit.SECONDS, statistic=Statistic.PEAK, objective=False, brief=False),
)


def metrics_of(samples: Collection[Samples]) -> tuple[Metric, ...]:
    """Return the metrics that blocks with these `samples` have, and those that all blocks have."""
    return tuple(metric for metric in METRICS.values() if metric.samples is None or metric.samples in samples)


def objectives_of(known: Sequence[Metric]) -> tuple[Metric, ...]:
    """Return the metrics in `known` that can be tuned for."""
    return tuple(metric for metric in known if metric.objective)


def metric_named(name: str, known: Sequence[Metric], whose: str = "", what: str = "objective") -> Metric:
    """Return the metric called `name` out of `known`.

    Args:
        name: as the user wrote it.
        known: the metrics to choose from.
        whose: for the error text, after the name: what `known` are the metrics of, such as " of this model".
        what: for the error text: what the metric is used as.

    Raises:
        InputError: there is no such metric; the text lists `known`.
    """
    for metric in known:
        if metric.name == name:
            return metric
    whose = whose or (" of such a model" if name in METRICS else "")
    raise InputError(f"There is no {what} {name!r}{whose}; there are {', '.join(map(str, known))}.")
