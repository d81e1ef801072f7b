"""A transformer encoder as OpenVINO IR, made of the weights that a package holds.

The package has BERT's weights in safetensors, whose other readers need a training framework; so the graph is built
here (Devlin et al., "BERT: Pre-training of deep bidirectional transformers", 2019). Its output is the mean of the
last layer over the tokens that the mask keeps, as sentence embeddings are made.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = dict[str, NDArray[np.float32]]

DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}


def read_safetensors(raw: bytes) -> Weights:
    """Return the tensors of a safetensors file: a length, a header in JSON, and the values."""
    length = int.from_bytes(raw[:8], "little")
    header: dict[str, Any] = json.loads(raw[8 : 8 + length])
    data, found = memoryview(raw)[8 + length :], {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            found[name] = np.frombuffer(data[first:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return found


def build_encoder(weights: Weights, heads: int, path: Path) -> Path:
    """Write the encoder with `weights` as IR to `path`, whose inputs are `input_ids` and `attention_mask`.

    Args:
        weights: named as BERT's.
        heads: of attention.
        path: of the .xml.
    """
    import openvino as ov
    from openvino import opset13 as ops

    def constant(name: str) -> Any:
        return ops.constant(np.ascontiguousarray(weights[name], np.float32))

    def dense(value: Any, name: str) -> Any:
        return ops.add(ops.matmul(value, constant(f"{name}.weight"), False, True), constant(f"{name}.bias"))

    def normed(value: Any, name: str) -> Any:
        last = ops.constant(np.array([-1], np.int64))
        scaled = ops.mvn(value, last, True, 1e-12, "inside_sqrt")
        return ops.add(ops.multiply(scaled, constant(f"{name}.weight")), constant(f"{name}.bias"))

    width = weights["embeddings.word_embeddings.weight"].shape[1]
    split = ops.constant(np.array([0, 0, heads, width // heads], np.int64))
    joined = ops.constant(np.array([0, 0, width], np.int64))
    turned = ops.constant(np.array([0, 2, 1, 3], np.int64))

    def attended(value: Any, name: str, bias: Any) -> Any:
        query, key, values = (
            ops.transpose(ops.reshape(dense(value, f"{name}.self.{part}"), split, True), turned)
            for part in ("query", "key", "value")
        )
        scale = ops.constant(np.float32((width // heads) ** -0.5))
        scores = ops.add(ops.multiply(ops.matmul(query, key, False, True), scale), bias)
        mixed = ops.transpose(ops.matmul(ops.softmax(scores, -1), values, False, False), turned)
        return dense(ops.reshape(mixed, joined, True), f"{name}.output.dense")

    ids = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    axis, zero, one = (ops.constant(np.int64(number)) for number in (1, 0, 1))
    length = ops.gather(ops.shape_of(ids), axis, zero)
    places = ops.range(zero, length, one, "i64")
    value = ops.add(
        ops.gather(constant("embeddings.word_embeddings.weight"), ids, zero),
        ops.gather(constant("embeddings.position_embeddings.weight"), places, zero),
    )
    value = ops.add(value, ops.constant(weights["embeddings.token_type_embeddings.weight"][0].astype(np.float32)))
    value = normed(value, "embeddings.LayerNorm")
    kept = ops.convert(mask, "f32")
    spread = ops.unsqueeze(kept, ops.constant(np.array([1, 2], np.int64)))
    bias = ops.multiply(ops.subtract(spread, ops.constant(np.float32(1.0))), ops.constant(np.float32(1e4)))
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    for layer in range(layers):
        name = f"encoder.layer.{layer}"
        value = normed(
            ops.add(value, attended(value, f"{name}.attention", bias)), f"{name}.attention.output.LayerNorm"
        )
        inner = ops.gelu(dense(value, f"{name}.intermediate.dense"), "erf")
        value = normed(ops.add(value, dense(inner, f"{name}.output.dense")), f"{name}.output.LayerNorm")
    counted = ops.unsqueeze(kept, ops.constant(np.array([2], np.int64)))
    total = ops.reduce_sum(ops.multiply(value, counted), ops.constant(np.array([1], np.int64)))
    mean = ops.divide(total, ops.reduce_sum(counted, ops.constant(np.array([1], np.int64))))
    result = ops.result(mean)
    result.get_output_tensor(0).set_names({"embedding"})
    ov.save_model(ov.Model([result], [ids, mask], "encoder"), path, compress_to_fp16=False)
    return path
