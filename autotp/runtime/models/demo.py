"""The model of the demo: two transformer encoder blocks with the layer sizes of BERT-base, built in code."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

HIDDEN = 768
HEADS = 12
FEED_FORWARD = 3072
BLOCKS = 2
TOKENS = 16


def build_demo_model(folder: Path) -> Path:
    """Write the demo's IR (`demo.xml` and `demo.bin`, 57 MB) into `folder` and return the .xml.

    Its input `embeddings` is f32 [1, 16, 768], its output `hidden` has the same shape. The weights are random
    with a fixed seed, so the file's digest is the same everywhere.
    """
    import openvino as ov
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    embeddings = ops.parameter([1, TOKENS, HIDDEN], np.float32, name="embeddings")
    embeddings.output(0).set_names({"embeddings"})
    hidden: Any = embeddings
    for _ in range(BLOCKS):
        hidden = _normalize(ops.add(hidden, _attention(hidden, rng)))
        hidden = _normalize(ops.add(hidden, _feed_forward(hidden, rng)))
    result = ops.result(hidden)
    result.output(0).set_names({"hidden"})
    model = ov.Model([result], [embeddings], "demo")
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(
            f"{node.get_type_name()}_{index}"
        )  # OpenVINO's own names contain a counter of the process
    path = folder / "demo.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return path


def _attention(hidden: Any, rng: np.random.Generator) -> "ov.Node":
    from openvino import opset13 as ops

    query, key, value = (_heads(_dense(hidden, HIDDEN, HIDDEN, rng)) for _ in range(3))
    scale = np.float32((HIDDEN // HEADS) ** -0.5)
    weights = ops.softmax(ops.multiply(ops.matmul(query, key, False, True), ops.constant(scale)), -1)
    mixed = ops.transpose(ops.matmul(weights, value, False, False), ops.constant([0, 2, 1, 3]))
    merged = ops.reshape(mixed, ops.constant([1, TOKENS, HIDDEN]), False)
    return _dense(merged, HIDDEN, HIDDEN, rng)


def _feed_forward(hidden: Any, rng: np.random.Generator) -> "ov.Node":
    from openvino import opset13 as ops

    return _dense(ops.gelu(_dense(hidden, HIDDEN, FEED_FORWARD, rng), "erf"), FEED_FORWARD, HIDDEN, rng)


def _heads(projected: Any) -> "ov.Node":
    from openvino import opset13 as ops

    split = ops.reshape(projected, ops.constant([1, TOKENS, HEADS, HIDDEN // HEADS]), False)
    return ops.transpose(split, ops.constant([0, 2, 1, 3]))


def _dense(hidden: Any, width_in: int, width_out: int, rng: np.random.Generator) -> "ov.Node":
    from openvino import opset13 as ops

    product = ops.matmul(hidden, ops.constant(_weights(rng, width_out, width_in)), False, True)
    return ops.add(product, ops.constant(_weights(rng, width_out)))


def _normalize(hidden: Any) -> "ov.Node":
    from openvino import opset13 as ops

    return ops.mvn(hidden, ops.constant([2]), True, 1e-6, "INSIDE_SQRT")


def _weights(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
