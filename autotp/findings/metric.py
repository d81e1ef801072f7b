"""The metrics: each declared once, as one row of this table; measurement, files, options and reports read it.

A metric is computed from blocks by its statistic (`autotp.measuring.samples.metrics`). Any row whose `objective`
isn't False can be tuned for, and every row can be bounded by a constraint.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from autotp.errors import InputError


class Unit(StrEnum):
    """The unit of a metric's values, as the end of its key spells it."""

    PER_SECOND = "per_s"
    SECONDS = "s"
    BYTES = "bytes"


class Statistic(StrEnum):
    """How a metric's value comes from blocks."""

    RATE = "rate"  # the median over blocks of what was done in a second
    QUANTILE = "quantile"  # of the samples of all blocks together
    MEAN = "mean"  # the median over blocks of the mean of their samples
    PEAK = "peak"  # the largest value of any block


class Samples(StrEnum):
    """Durations that blocks hold and metrics are computed from; blocks have them under this name with `_s`."""

    LATENCIES = "latencies"
    FIRST_TOKENS = "first_tokens"
    SECOND_TOKENS = "second_tokens"


INFERENCES = (Samples.LATENCIES,)  # what the blocks of most models hold
GENERATIONS = (Samples.FIRST_TOKENS, Samples.SECOND_TOKENS)  # and those of language models


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """What can be an objective or be bounded by a constraint.

    Attributes:
        name: as people write it.
        unit: that of its values.
        statistic: how its value comes from blocks.
        samples: what it is computed from; a block without any says nothing of it. None where any block will do.
        quantile: of the samples, where it is one.
        min_samples: how many samples a process needs before anything is said of it.
        hint: the value of OpenVINO's performance hint that is meant for it.
        objective: whether it can be tuned for; if not, it can only be bounded.
        brief: whether it is shown where there is little room.
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
        """The name with its unit, as in files: `throughput_per_s`, `latency_p50_s`, `memory_bytes`."""
        return self.name if self.name.endswith(f"_{self.unit}") else f"{self.name}_{self.unit}"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self.unit is Unit.PER_SECOND

    def __str__(self) -> str:
        return self.name


def _latency(name: str, quantile: float, min_samples: int = 0, brief: bool = True) -> Metric:
    """Return a quantile of the latencies of inferences."""
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


# From p95 on, a process needs so many samples that five of them lie beyond the quantile.
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
)


def metrics_of(samples: Collection[Samples]) -> tuple[Metric, ...]:
    """Return the metrics of a model whose blocks hold `samples`, and those that every model has."""
    return tuple(metric for metric in METRICS.values() if metric.samples is None or metric.samples in samples)


def objectives_of(known: Sequence[Metric]) -> tuple[Metric, ...]:
    """Return those of `known` that can be tuned for."""
    return tuple(metric for metric in known if metric.objective)


def metric_named(name: str, known: Sequence[Metric], whose: str = "", what: str = "objective") -> Metric:
    """Return that of the `known` metrics that is called `name`.

    Args:
        name: as the person wrote it.
        known: those to choose from.
        whose: words for the error, after the name: of which model `known` are.
        what: a word for the error: what the metric is wanted for.

    Raises:
        InputError: there is none; the text lists those there are.
    """
    for metric in known:
        if metric.name == name:
            return metric
    whose = whose or (" of such a model" if name in METRICS else "")
    raise InputError(f"There is no {what} {name!r}{whose}; there are {', '.join(map(str, known))}.")
