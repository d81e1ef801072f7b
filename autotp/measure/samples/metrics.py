"""The values of metrics: what each of `autotp.findings.METRICS` is, computed from blocks."""

from collections.abc import Iterable, Sequence

import numpy as np

from autotp.findings import GENERATIONS, INFERENCES, METRICS, Metric, Samples, Statistic, metrics_of
from autotp.measure.protocol import Block
from autotp.measure.workload.workload import Token

_TOKENS = {Samples.FIRST_TOKENS: Token.FIRST, Samples.SECOND_TOKENS: Token.SECOND}


def known_metrics(generates: bool) -> tuple[Metric, ...]:
    """Return the metrics of a language model, which `generates`, or of any other."""
    return metrics_of(GENERATIONS if generates else INFERENCES)


def usual_objective(generates: bool) -> Metric:
    """Return the objective where none is named."""
    return METRICS["second_token_latency" if generates else "throughput"]


def whose_metrics(generates: bool) -> str:
    """Return words for the model whose metrics those are, to end the name of another one with."""
    return " of a language model" if generates else ""


def tokens_of(metrics: Iterable[Metric]) -> tuple[Token, ...]:
    """Return which tokens `metrics` are about, all where they say nothing of it."""
    about = {_TOKENS[metric.samples] for metric in metrics if metric.samples in _TOKENS}
    return tuple(token for token in Token if token in about) or tuple(Token)


def others_of(asked: Iterable[Metric], known: Sequence[Metric]) -> tuple[Metric, ...]:
    """Return, of the samples that the metrics `asked` say nothing of, the first that is `known` of each."""
    about = {None, *(metric.samples for metric in asked)}
    firsts: dict[Samples | None, Metric] = {}
    for metric in known:
        firsts.setdefault(metric.samples, metric)
    return tuple(metric for samples, metric in firsts.items() if samples not in about)


def samples_of(metric: Metric, block: Block) -> tuple[float, ...]:
    """Return what `metric` is computed from in `block`, in seconds."""
    found: tuple[float, ...] = () if metric.samples is None else getattr(block, f"{metric.samples}_s")
    return found


def informative(metric: Metric, blocks: Iterable[Block]) -> list[Block]:
    """Return those of `blocks` that hold what `metric` is computed from."""
    return [block for block in blocks if metric.samples is None or samples_of(metric, block)]


def values_of_blocks(metric: Metric, blocks: Sequence[Block]) -> list[float]:
    """Return `metric` of each block for itself."""
    match metric.statistic:
        case Statistic.RATE:
            return [block.count / block.elapsed_s for block in blocks]
        case Statistic.QUANTILE:
            return [_quantile(samples_of(metric, block), metric.quantile or 0.0) for block in blocks]
        case Statistic.MEAN:
            return [_mean(samples_of(metric, block)) for block in blocks]
        case Statistic.PEAK:
            return [block.memory_bytes for block in blocks]


def value_of(metric: Metric, blocks: Sequence[Block]) -> float:
    """Return `metric` of `blocks`: the median over them, but a quantile of all their samples, and a peak."""
    match metric.statistic:
        case Statistic.QUANTILE:
            pooled = [sample for block in blocks for sample in samples_of(metric, block)]
            return float(np.quantile(pooled, metric.quantile or 0.0))
        case Statistic.PEAK:
            return max(values_of_blocks(metric, blocks))
        case _:
            return float(np.median(values_of_blocks(metric, blocks)))


def all_metrics(blocks: Sequence[Block]) -> dict[str, float]:
    """Return, by its key, every metric that any of `blocks` holds the samples of."""
    known = {metric: informative(metric, blocks) for metric in METRICS.values()}
    return {metric.key: value_of(metric, found) for metric, found in known.items() if found}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(values: Sequence[float], quantile: float) -> float:
    """Return what numpy's would be; on few values that costs fifty times as much, and a race asks for many."""
    ranked = sorted(values)
    below, rest = divmod(quantile * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + rest * (high - low)
