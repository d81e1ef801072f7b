"""Small models whose outputs are random, empty, of a size that depends on the data, or infinite."""

from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 64
NEVER = 1e6  # a threshold that no value reaches


def random_model(folder: Path, name: str = "random") -> Path:
    """Write an IR with input `x` f32 [1, 64], an output `steady` and an output `drawn` of random numbers."""
    from openvino import opset13 as ops

    x = _input()
    low, high = ops.constant(np.float32(0)), ops.constant(np.float32(1))
    drawn = ops.random_uniform(ops.constant(np.array([1, WIDTH])), low, high, "f32", 0, 0)
    steady = _mixed(x)
    return _saved(x, {"steady": steady, "drawn": ops.add(steady, drawn)}, folder, name)


def places_model(folder: Path, name: str = "places", threshold: float = 0.0) -> Path:
    """Write an IR with input `x` f32 [1, 64] and output `places`: where x W is above `threshold` (NonZero)."""
    from openvino import opset13 as ops

    x = _input()
    above = ops.greater(_mixed(x), ops.constant(np.float32(threshold)))
    return _saved(x, {"places": ops.non_zero(ops.convert(above, "i32"))}, folder, name)


def _input() -> Any:
    from openvino import opset13 as ops

    x = ops.parameter([1, WIDTH], np.float32, name="x")
    x.output(0).set_names({"x"})
    return x


def _mixed(x: Any) -> Any:
    from openvino import opset13 as ops

    weights = np.random.default_rng(0).standard_normal((WIDTH, WIDTH), dtype=np.float32) / np.float32(WIDTH**0.5)
    return ops.matmul(x, ops.constant(weights), False, False)


def _saved(x: Any, outputs: dict[str, Any], folder: Path, name: str) -> Path:
    import openvino as ov
    from openvino import opset13 as ops

    results = []
    for output, node in outputs.items():
        results.append(ops.result(node))
        results[-1].output(0).set_names({output})
    path = folder / f"{name}.xml"
    ov.save_model(ov.Model(results, [x], name), path, compress_to_fp16=False)
    return path
