"""What a graph holds, and what it computes when it is compiled to be compared."""

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

Array = NDArray[Any]
EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "INFERENCE_NUM_THREADS": "1",
    "ENABLE_CPU_PINNING": "NO",
}


def multiplications(model: ov.Model) -> list[ov.Node]:
    """Return the MatMuls of `model` in the order in which they run."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "MatMul"]


def compiled(model: ov.Model) -> ov.CompiledModel:
    """Compile `model` for outputs that can be compared."""
    return ov.Core().compile_model(model, "CPU", EXACT)


def outputs(model: ov.Model, *data: Array) -> Array:
    """Run `model` and return its first output."""
    return np.asarray(compiled(model)(list(data))[0])
