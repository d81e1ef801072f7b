"""Values in SI units formatted for people, such as `1.2 ms`; only this module and cli format units."""

from math import ceil

from autotp.findings.metric import METRICS, Unit

_METRICS = {metric.key: metric for metric in METRICS.values()}
BRIEF = tuple(metric.key for metric in METRICS.values() if metric.brief)  # for short lines


def spell_metric(key: str, value: float) -> str:
    """Return `value` with its unit, that of the metric with this `key`, else that at the end of `key`."""
    match _unit(key):
        case Unit.PER_SECOND:
            return f"{value:,.4g}/s"
        case Unit.BYTES:
            return spell_bytes(value)
        case Unit.SECONDS:
            return spell_seconds(value)


def metric_name(key: str) -> str:
    """Return the name of a metric, its key without the unit: `throughput`, `latency_p50`, `memory`."""
    return _METRICS[key].name if key in _METRICS else key.removesuffix(f"_{_unit(key)}")


def _unit(key: str) -> Unit:
    """Return the unit of a metric, or of another figure such as `copy_s`; without one it is in seconds."""
    if key in _METRICS:
        return _METRICS[key].unit
    return next((unit for unit in (Unit.PER_SECOND, Unit.BYTES) if key.endswith(f"_{unit}")), Unit.SECONDS)


def spell_seconds(seconds: float) -> str:
    """Return a duration with the unit that fits: µs, ms, s or min."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def spell_budget(seconds: float) -> str:
    """Return a duration as the flag `--budget` takes it, rounded up: 34s or 14m."""
    return f"{ceil(seconds)}s" if seconds <= 120 else f"{ceil(seconds / 60)}m"


def spell_bytes(count: float) -> str:
    """Return a size in KiB, MiB or GiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1024:.3g} KiB"
