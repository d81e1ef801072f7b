"""The time of each type of layer, by OpenVINO's performance counters."""

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov

PERF_COUNT = {"PERF_COUNT": "YES"}  # the property to compile a model with; it makes inferences slower


def layer_seconds(request: "ov.InferRequest") -> dict[str, float]:
    """Return the seconds of each type of layer in the last inference of `request`, types as OpenVINO names them.

    The layers within a loop or a branch count for it.
    """
    found: dict[str, float] = defaultdict(float)
    for layer in request.get_profiling_info():
        found[layer.node_type] += layer.real_time.total_seconds()
    return dict(found)
