"""Recipes: what experience tries first, as partial settings that the space completes where it holds them."""

from typing import Any


def recipes(cpus: int, sockets: int) -> tuple[dict[str, Any], ...]:
    """Return the recipes for a process that may use `cpus` CPUs on `sockets` sockets.

    One stream per CPU with twice as many requests in flight, in the default precision and in f32; f32 alone;
    tensor parallelism over all sockets.
    """
    streams = {"num_streams": cpus, "nireq": 2 * cpus}
    split = {"distribution_policy": "tensor_parallel", "split_count": sockets}
    return (
        streams,
        {**streams, "inference_precision_hint": "f32"},
        {"inference_precision_hint": "f32"},
        split,
    )
