"""SI values as people read them; only here and in cli are units formatted."""

# The metrics that are told where there is little room.
TOLD = (
    "throughput_per_s",
    "latency_p50_s",
    "latency_p99_s",
    "first_token_latency_s",
    "second_token_latency_s",
    "tokens_per_s",
)


def spell_metric(key: str, value: float) -> str:
    """Return `value` of the metric `key` (`throughput_per_s`, `latency_p50_s`, `memory_bytes`) in words."""
    if key == "memory_bytes":
        return spell_bytes(value)
    return f"{value:,.4g}/s" if key.endswith("_per_s") else spell_seconds(value)


def metric_name(key: str) -> str:
    """Return the key of a metric without its unit: `throughput`, `latency_p50`, `memory`."""
    return key.removesuffix("_per_s").removesuffix("_s").removesuffix("_bytes")


def spell_seconds(seconds: float) -> str:
    """Return a duration with the unit that fits: µs, ms, s or min."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} µs"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def spell_bytes(count: float) -> str:
    """Return a size in KiB, MiB or GiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1024:.3g} KiB"
