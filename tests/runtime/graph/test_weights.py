"""Weights are followed to the constants that have their output channels, and those are slice_constant."""

from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime.graph.weights import carriers, slice_constant


def test_constants_come_first_and_each_has_its_axis() -> None:
    """A transposed constant has the channels along its other axis; a scale for each has them, too."""
    table = ops.constant(np.arange(12, dtype=np.int8).reshape(4, 3))
    scale = ops.constant(np.ones((1, 4), np.float32))
    numbers = ops.convert(ops.transpose(table, ops.constant([1, 0])), np.float32)
    found = carriers(ops.multiply(numbers, scale).output(0), 1)
    assert [(carrier.kind, carrier.axis) for carrier in found] == [
        ("Constant", 0),
        ("Transpose", 1),
        ("Convert", 1),
        ("Constant", 1),
        ("Multiply", 1),
    ]


def test_a_constant_along_both_of_whose_axes_the_channels_lie_is_none_to_slice() -> None:
    """W plus its own transpose: a row of the sum takes a row and a column."""
    square = ops.constant(np.eye(4, dtype=np.float32))
    with pytest.raises(LookupError):
        carriers(ops.add(square, ops.transpose(square, ops.constant([1, 0]))).output(0), 0)


def test_what_is_not_made_of_constants_has_no_carriers() -> None:
    """An input that is added to weights."""
    given = ops.parameter([4, 3], np.float32)
    with pytest.raises(LookupError):
        carriers(ops.add(given, ops.constant(np.ones((4, 3), np.float32))).output(0), 0)


@pytest.mark.parametrize("kind", ["reshape", "squeeze", "transpose", "add"])
def test_what_takes_its_shape_from_data_has_no_carriers(kind: str) -> None:
    """Weights of a static shape that are computed from something whose shape depends on data."""
    places = ops.convert(ops.non_zero(ops.parameter([4, 3], np.float32), "i64"), np.float32)
    static = ops.reshape(places, ops.constant([4, 6]), False)
    weights = {
        "reshape": static,
        "squeeze": ops.squeeze(ops.reshape(places, ops.constant([1, 4, 6]), False), ops.constant([0])),
        "transpose": ops.transpose(static, ops.constant([1, 0])),
        "add": ops.add(ops.constant(np.ones((4, 6), np.float32)), static),
    }[kind]
    assert weights.get_output_partial_shape(0).is_static
    with pytest.raises(LookupError):
        carriers(weights.output(0), 0)


@pytest.mark.parametrize(("axis", "low", "high"), [(0, 1, 3), (1, 1, 3), (1, 0, 5)])
@pytest.mark.parametrize("kind", ["u4", "i4", "u8", "f16", "f32"])
def test_a_slice_has_the_elements_of_the_whole(kind: str, axis: int, low: int, high: int) -> None:
    """Rows of five elements of four bits begin amid a byte."""
    numbers = np.arange(15).reshape(3, 5) % 8
    whole = ov.op.Constant(getattr(ov.Type, kind), ov.Shape(numbers.shape), numbers.ravel().tolist())
    part = slice_constant(whole, axis, low, high, mapped=False)
    index: list[Any] = [slice(None), slice(None)]
    index[axis] = slice(low, high)
    assert part.get_element_type() == whole.get_element_type()
    assert np.array_equal(values(part), numbers[tuple(index)])


def values(constant: ov.Node) -> Any:
    """What OpenVINO reads in it."""
    model = ov.Model([ops.convert(constant, np.float32)], [])
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([])[0]
