"""Metrics of blocks: which there are, which way is better, and their values from pooled raw samples."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from autotp.errors import InputError
from autotp.measure.protocol import Block


class Metric(StrEnum):
    """What can be an objective or be constrained."""

    THROUGHPUT = "throughput"
    LATENCY_P50 = "latency_p50"
    LATENCY_P90 = "latency_p90"
    LATENCY_P99 = "latency_p99"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self is Metric.THROUGHPUT

    @property
    def quantile(self) -> float | None:
        """The quantile of latency that it is, None for throughput."""
        return None if self is Metric.THROUGHPUT else int(self.value[-2:]) / 100

    @property
    def key(self) -> str:
        """The name with its unit, as in files: `throughput_per_s`, `latency_p50_s`."""
        return f"{self.value}_per_s" if self is Metric.THROUGHPUT else f"{self.value}_s"

    @classmethod
    def named(cls, name: str) -> "Metric":
        """Return the metric `name`.

        Raises:
            InputError: there is none; the text lists those there are.
        """
        try:
            return cls(name)
        except ValueError:
            raise InputError(f"There is no objective {name!r}; there are {', '.join(cls)}.") from None

    def of_each(self, blocks: Sequence[Block]) -> list[float]:
        """Return this metric of each block for itself."""
        if self.quantile is None:
            return [block.count / block.elapsed_s for block in blocks]
        return [_quantile(block.latencies_s, self.quantile) for block in blocks]

    def of(self, blocks: Sequence[Block]) -> float:
        """Return this metric of `blocks`: the median rate per second, or the quantile of all latencies."""
        if self.quantile is None:
            return float(np.median(self.of_each(blocks)))
        return float(np.quantile([s for block in blocks for s in block.latencies_s], self.quantile))


def all_metrics(blocks: Sequence[Block]) -> dict[str, float]:
    """Return every metric of `blocks` by its key, and the peak memory."""
    values = {metric.key: metric.of(blocks) for metric in Metric}
    return {**values, "memory_bytes": max(block.memory_bytes for block in blocks)}


def _quantile(values: Sequence[float], quantile: float) -> float:
    """Return what numpy's would be; on few values that costs fifty times as much, and a race asks for many."""
    ranked = sorted(values)
    below, rest = divmod(quantile * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + rest * (high - low)
