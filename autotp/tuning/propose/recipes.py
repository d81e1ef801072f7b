"""Recipes: what experience tries first, as partial settings that the space completes where it holds them."""

from typing import Any


def recipes(cores: int, sockets: int, generates: bool) -> tuple[dict[str, Any], ...]:
    """Return the recipes for a process that may use `cores` cores on `sockets` sockets.

    One stream per core with twice as many requests in flight, in the default precision and in f32; f32 alone;
    tensor parallelism over all sockets. For a language model, which `generates`, the hint with one thing changed
    at a time: few of its candidates fit into a budget.
    """
    exact = {"inference_precision_hint": "f32"}
    split = {"distribution_policy": "tensor_parallel", "split_count": sockets}
    if generates:
        return split, exact, {"enable_cpu_pinning": False}, {"kv_cache_precision": "bf16"}, {"split_count": 2}
    streams = {"num_streams": cores, "nireq": 2 * cores}
    return streams, {**streams, **exact}, exact, split
