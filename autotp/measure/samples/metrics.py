"""Metrics of blocks: which there are, which way is better, and their values from pooled raw samples."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np

from autotp.errors import InputError
from autotp.measure.protocol import Block
from autotp.measure.workload.workload import Token


class Metric(StrEnum):
    """What can be an objective or be constrained; the last three are those of language models."""

    THROUGHPUT = "throughput"
    LATENCY_P50 = "latency_p50"
    LATENCY_P90 = "latency_p90"
    LATENCY_P99 = "latency_p99"
    FIRST_TOKEN_LATENCY = "first_token_latency"  # noqa: S105
    SECOND_TOKEN_LATENCY = "second_token_latency"  # noqa: S105
    TOKENS_PER_S = "tokens_per_s"

    @property
    def maximize(self) -> bool:
        """Whether more is better."""
        return self in (Metric.THROUGHPUT, Metric.TOKENS_PER_S)

    @property
    def quantile(self) -> float | None:
        """The quantile of latency that it is, None for a rate and for a mean."""
        return _QUANTILES.get(self)

    @property
    def token(self) -> Token | None:
        """Which token of a generation it is about; None where there is no language model."""
        return _TOKENS.get(self)

    @property
    def key(self) -> str:
        """The name with its unit, as in files: `throughput_per_s`, `latency_p50_s`."""
        if self.maximize:
            return self.value if self.value.endswith("_per_s") else f"{self.value}_per_s"
        return f"{self.value}_s"

    @classmethod
    def of_model(cls, generates: bool) -> "tuple[Metric, ...]":
        """Return the metrics of a language model, which `generates`, or of any other."""
        return tuple(metric for metric in cls if (metric.token is not None) is generates)

    @classmethod
    def usual(cls, generates: bool) -> "Metric":
        """Return the objective where none is named."""
        return cls.SECOND_TOKEN_LATENCY if generates else cls.THROUGHPUT

    @classmethod
    def named(cls, name: str, generates: bool = False) -> "Metric":
        """Return the metric `name` of a language model, which `generates`, or of any other.

        Raises:
            InputError: there is none; the text lists those there are.
        """
        known = cls.of_model(generates)
        if name in known:
            return cls(name)
        whose = " of a language model" if generates else "" if name not in tuple(cls) else " of such a model"
        raise InputError(f"There is no objective {name!r}{whose}; there are {', '.join(known)}.")

    def telling(self, blocks: Iterable[Block]) -> list[Block]:
        """Return those of `blocks` that hold what this metric is computed from."""
        return [block for block in blocks if self._told_by(block)]

    def _told_by(self, block: Block) -> bool:
        match self.token:
            case Token.FIRST:
                return bool(block.first_tokens_s)
            case Token.SECOND:
                return bool(block.second_tokens_s)
            case None:
                return bool(block.latencies_s)

    def of_each(self, blocks: Sequence[Block]) -> list[float]:
        """Return this metric of each block for itself."""
        if self.quantile is not None:
            return [_quantile(block.latencies_s, self.quantile) for block in blocks]
        if self is Metric.FIRST_TOKEN_LATENCY:
            return [_mean(block.first_tokens_s) for block in blocks]
        if self is Metric.SECOND_TOKEN_LATENCY:
            return [_mean(block.second_tokens_s) for block in blocks]
        return [block.count / block.elapsed_s for block in blocks]

    def of(self, blocks: Sequence[Block]) -> float:
        """Return this metric of `blocks`: the median over them, but a quantile that of all latencies."""
        if self.quantile is None:
            return float(np.median(self.of_each(blocks)))
        return float(np.quantile([s for block in blocks for s in block.latencies_s], self.quantile))


_QUANTILES = {Metric.LATENCY_P50: 0.5, Metric.LATENCY_P90: 0.9, Metric.LATENCY_P99: 0.99}
_TOKENS = {
    Metric.FIRST_TOKEN_LATENCY: Token.FIRST,
    Metric.SECOND_TOKEN_LATENCY: Token.SECOND,
    Metric.TOKENS_PER_S: Token.SECOND,
}


def tokens_of(metrics: Iterable[Metric]) -> tuple[Token, ...]:
    """Return which tokens `metrics` are about, all where they say nothing of it."""
    about = {metric.token for metric in metrics}
    return tuple(token for token in Token if token in about) or tuple(Token)


def others_of(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the latencies of a language model that `metrics` of one say nothing of; none of other models'."""
    about = {metric.token for metric in metrics}
    latencies = (Metric.FIRST_TOKEN_LATENCY, Metric.SECOND_TOKEN_LATENCY)
    return () if None in about else tuple(metric for metric in latencies if metric.token not in about)


def all_metrics(blocks: Sequence[Block]) -> dict[str, float]:
    """Return every metric that any of `blocks` tell, by its key, and the peak memory."""
    telling = {metric: metric.telling(blocks) for metric in Metric}
    values = {metric.key: metric.of(told) for metric, told in telling.items() if told}
    return {**values, "memory_bytes": max(block.memory_bytes for block in blocks)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(values: Sequence[float], quantile: float) -> float:
    """Return what numpy's would be; on few values that costs fifty times as much, and a race asks for many."""
    ranked = sorted(values)
    below, rest = divmod(quantile * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + rest * (high - low)
