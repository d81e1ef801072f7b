"""Fully connected layers as compressing tools write them, with their weights decompressed by numpy beside them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from hypothesis import strategies as st
from numpy.typing import NDArray
from openvino import opset13 as ops

FLOATS = ("f32", "f16", "bf16")
BYTES = ("i8", "u8")
HALF_BYTES = ("i4", "u4", "nf4")
WEIGHT_TYPES = (*FLOATS, *BYTES, *HALF_BYTES)

# OpenVINO 2026.4 is wrong where groups have other sizes (5, 6, 7, 10, 48), split or not.
GROUP_SIZES = (1, 2, 4, 8, 16, 32)

# https://arxiv.org/abs/2305.14314, appendix E: quantiles of a normal distribution.
NF4 = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
     -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
     0.7229568362236023, 1.0],
    np.float32,
)  # fmt: skip

Array = NDArray[Any]


@dataclass(frozen=True)
class Form:
    """How a layer's weights are stored.

    `groups` share a scale along the inputs (1: per channel); `turned` weights pass through a Transpose; `half`
    ones are decompressed in f16 and converted at last, as GenAI's GGUF reader does it.
    """

    weight_type: str
    channels: int
    inputs: int
    transpose_b: bool = True
    groups: int = 1
    zero_point: bool = False
    half: bool = False
    turned: bool = False
    bias: bool = False
    seed: int = 0


@st.composite
def forms(draw: st.DrawFn, weight_type: str) -> Form:
    """Return a strategy for the forms that weights of `weight_type` come in."""
    groups, group = draw(st.integers(1, 4)), draw(st.sampled_from(GROUP_SIZES))
    compressed = weight_type not in FLOATS
    return Form(
        weight_type=weight_type,
        channels=draw(st.integers(2, 40)),
        inputs=groups * group,
        transpose_b=draw(st.booleans()),
        groups=groups if compressed else 1,
        zero_point=draw(st.booleans()) and compressed and weight_type != "nf4",
        half=draw(st.booleans()),
        turned=draw(st.booleans()),
        bias=draw(st.booleans()),
        seed=draw(st.integers(0, 9)),
    )


def build(form: Form, rows: int = 3) -> tuple[ov.Model, Array]:
    """Return a model of one layer that takes [rows, inputs], and its weights as [channels, inputs] in f32."""
    rng = np.random.default_rng(form.seed)
    weights, decompressed = _weights(form, rng)
    given = ops.parameter([rows, form.inputs], np.float32, name="x")
    given.output(0).get_tensor().set_names({"x"})
    layer = ops.matmul(given, weights, False, form.transpose_b)
    layer.set_friendly_name("layer")
    last = ops.add(layer, np.ones((1, form.channels), np.float32)) if form.bias else layer
    last.output(0).get_tensor().set_names({"y"})
    return ov.Model([ops.result(last)], [given], "one_layer"), decompressed


def decoded(constant: ov.Node) -> Array:
    """Return the values of a constant of any of the weight types, by numpy alone."""
    kind, shape = constant.get_element_type().get_type_name(), tuple(constant.get_output_shape(0))
    raw = np.array(constant.data).reshape(-1).view(np.uint8)
    if kind not in HALF_BYTES:
        return _decoded_bytes(raw, kind).reshape(shape)
    halves = np.array([half for byte in raw for half in (byte & 15, byte >> 4)][: int(np.prod(shape))])
    if kind == "nf4":
        return NF4[halves].reshape(shape)
    return (np.where(halves > 7, halves.astype(int) - 16, halves) if kind == "i4" else halves).reshape(shape)


def evaluated(output: ov.Output) -> Array:
    """Return what constants are turned into, by numpy alone."""
    node = output.get_node()
    inputs = [evaluated(value) for value in node.input_values()]
    match node.get_type_name():
        case "Constant":
            return decoded(node)
        case "Convert":
            return inputs[0].astype(np.float16 if output.get_element_type() == ov.Type.f16 else np.float32)
        case "Subtract":
            return inputs[0] - inputs[1]
        case "Multiply":
            return inputs[0] * inputs[1]
        case "Reshape":
            return inputs[0].reshape(inputs[1])
        case "Transpose":
            return inputs[0].transpose(inputs[1])
    raise NotImplementedError(node.get_type_name())


def _decoded_bytes(raw: Array, kind: str) -> Array:
    if kind == "bf16":
        return (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return raw.view({"f32": "f4", "f16": "f2", "i8": "i1", "u8": "u1", "i32": "i4", "i64": "i8"}[kind])


def _weights(form: Form, rng: np.random.Generator) -> tuple[ov.Output, Array]:
    across = form.transpose_b != form.turned  # whether a row is an output channel, as they are stored
    weights = _compressed(form, across, rng) if form.weight_type not in FLOATS else _floats(form, across, rng)
    if form.turned:
        weights = ops.transpose(weights, np.array([1, 0], np.int64)).output(0)
    stored = evaluated(weights)
    return weights, (stored if form.transpose_b else stored.T).astype(np.float32)


def _floats(form: Form, across: bool, rng: np.random.Generator) -> ov.Output:
    shape = [form.channels, form.inputs] if across else [form.inputs, form.channels]
    values = rng.standard_normal(shape, np.float32)
    if form.weight_type == "f32":
        return ops.constant(values).output(0)
    stored = values.astype(np.float16) if form.weight_type == "f16" else _upper_half(values)
    return ops.convert(_constant(stored.view(np.uint8), shape, form.weight_type), "f32").output(0)


def _upper_half(values: Array) -> Array:
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def _compressed(form: Form, across: bool, rng: np.random.Generator) -> ov.Output:
    size = form.inputs // form.groups
    grouped = form.groups > 1
    if across:
        shape = [form.channels, form.groups, size] if grouped else [form.channels, size]
    else:
        shape = [form.groups, size, form.channels] if grouped else [size, form.channels]
    scales = [1 if axis == (len(shape) - 1 if across else len(shape) - 2) else n for axis, n in enumerate(shape)]
    work = "f16" if form.half else "f32"
    dtype = np.float16 if form.half else np.float32
    weights = ops.convert(_whole_numbers(form.weight_type, shape, rng), work)
    if form.zero_point:
        zeros = _whole_numbers(form.weight_type, scales, rng)
        weights = ops.subtract(weights, ops.convert(zeros, work))
    weights = ops.multiply(weights, ops.constant((rng.random(scales) / 8 + 0.01).astype(dtype)))
    if grouped:
        target = [form.channels, form.inputs] if across else [form.inputs, form.channels]
        weights = ops.reshape(weights, np.array(target, np.int64), False)
    return (ops.convert(weights, "f32") if form.half else weights).output(0)


def _whole_numbers(weight_type: str, shape: list[int], rng: np.random.Generator) -> ov.Node:
    count = int(np.prod(shape))
    size = (count + 1) // 2 if weight_type in HALF_BYTES else count
    raw = rng.integers(0, 256, size, np.uint8)
    return _constant(raw, shape, weight_type)


def _constant(raw: Array, shape: list[int], weight_type: str) -> ov.Node:
    return ov.op.Constant(ov.Tensor(raw.reshape(-1), shape, getattr(ov.Type, weight_type)), shared_memory=False)
