"""Recipes: what experience tries first, as partial settings that the space completes where it holds them."""

from typing import Any


def recipes(cores: int, sockets: int) -> tuple[dict[str, Any], ...]:
    """Return the recipes for a process that may use `cores` cores on `sockets` sockets.

    One stream per core with twice as many requests in flight, in the default precision and in f32; f32 alone;
    tensor parallelism over all sockets.
    """
    streams = {"num_streams": cores, "nireq": 2 * cores}
    split = {"distribution_policy": "tensor_parallel", "split_count": sockets}
    return (
        streams,
        {**streams, "inference_precision_hint": "f32"},
        {"inference_precision_hint": "f32"},
        split,
    )
