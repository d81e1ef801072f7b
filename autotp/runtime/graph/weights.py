"""Finding the constants that weights are computed from, and slicing them by output channel.

Weights are seldom plain constants: compressed ones pass through Convert, Subtract, Multiply, Reshape or Transpose,
with different groupings, as NNCF, optimum and GenAI's GGUF reader write them. So the axis of the output channels
is traced from the weights back to the constants that have it.
"""

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

_BYTE, _HALF = 8, 4  # bits
_ELEMENTWISE = frozenset({"Add", "Convert", "Divide", "FakeQuantize", "Multiply", "Subtract"})
_RESHAPING = frozenset({"Reshape", "Squeeze", "Unsqueeze"})
_DECOMPRESSING = _ELEMENTWISE | _RESHAPING | {"Transpose"}
_MAPPED: list[NDArray[Any]] = []  # slices of mapped files, kept alive


class Carrier(msgspec.Struct, frozen=True):
    """A node that weights are computed by, and the `axis` of its output that is the output channels."""

    node: "ov.Node"
    axis: int

    @property
    def kind(self) -> str:
        """OpenVINO's name for the type of the node."""
        return str(self.node.get_type_name())


def carriers(weights: "ov.Output", axis: int) -> tuple[Carrier, ...]:
    """Return the nodes that compute `weights` and have its `axis`, constants first.

    Raises:
        LookupError: an input isn't computed from constants alone, a shape depends on data, or the axis is none, or
            two, of the axes of a node.
    """
    found: dict[str, Carrier] = {}
    for carrier in _traced(weights, axis):
        if found.setdefault(carrier.node.get_name(), carrier).axis != carrier.axis:
            raise LookupError
    return tuple(found.values())


def slice_constant(constant: "ov.Node", axis: int, low: int, high: int, mapped: bool) -> "ov.Node":
    """Return a constant with the elements from `low` to below `high` along `axis`.

    Two four-bit elements share a byte, the first in its lower half; a row may begin in the middle of a byte.

    Args:
        constant: the Constant node to slice; not changed.
        axis: along which axis.
        low: index of the first element.
        high: index after the last element.
        mapped: whether its bytes are mapped from a file. Then a slice of contiguous bytes isn't copied, and stays
            mapped until the process ends, because OpenVINO doesn't say when it has read the bytes.
    """
    import openvino as ov

    shape, element_type = [*constant.get_output_shape(0)], constant.get_element_type()
    outer, size, inner = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    raw, bits = constant.data.reshape(-1).view(np.uint8), element_type.bitwidth
    if inner * bits % _BYTE == 0:
        part = raw.reshape(outer, size, inner * bits // _BYTE)[:, low:high].reshape(-1)
    else:
        halves = _unpacked(raw)[: outer * size * inner].reshape(outer, size, inner)
        part = _packed(halves[:, low:high].reshape(-1))
    shape[axis] = high - low
    shared = mapped and np.may_share_memory(part, raw)
    if shared:
        _MAPPED.append(part)
    return ov.op.Constant(ov.Tensor(np.ascontiguousarray(part), shape, element_type), shared_memory=shared)


def _traced(output: "ov.Output", axis: int) -> Iterator[Carrier]:
    """Yield the nodes that compute `output` and have its `axis`, inputs first."""
    node = output.get_node()
    if any(port.get_partial_shape().is_dynamic for port in (output, *node.input_values())):
        raise LookupError
    if node.get_type_name() == "Constant":
        _check_sliceable(node)
    elif node.get_type_name() not in _DECOMPRESSING:
        raise LookupError
    for index, value in enumerate(node.input_values()):
        at = _axis_of_input(node, index, axis)
        if at is None:
            _check_constant(value.get_node())
        else:
            yield from _traced(value, at)
    yield Carrier(node, axis)


def _axis_of_input(node: "ov.Node", index: int, axis: int) -> int | None:
    """Return which axis of input `index` is `axis` of the output, None if none is."""
    kind = node.get_type_name()
    shape, whole = node.input_value(index).get_shape(), node.get_output_shape(0)
    if kind in _ELEMENTWISE:
        at = axis - (len(whole) - len(shape))
        return at if at >= 0 and shape[at] == whole[axis] else None
    if index > 0:
        return None
    if kind == "Transpose":
        return int(_constant_values(node.input_value(1).get_node())[axis])
    before = prod(whole[:axis])
    for at, size in enumerate(shape):
        if size == whole[axis] and prod(shape[:at]) == before:
            return at
    raise LookupError


def _constant_values(node: "ov.Node") -> NDArray[Any]:
    if node.get_type_name() != "Constant":
        raise LookupError
    return np.asarray(node.data)


def _check_sliceable(constant: "ov.Node") -> None:
    bits = constant.get_element_type().bitwidth
    if bits % _BYTE and bits != _HALF:
        raise LookupError


def _check_constant(node: "ov.Node") -> None:
    if node.get_type_name() not in {"Constant", *_DECOMPRESSING}:
        raise LookupError
    for value in node.input_values():
        _check_constant(value.get_node())


def _unpacked(raw: NDArray[Any]) -> NDArray[Any]:
    return np.stack([raw & 0xF, raw >> _HALF], axis=-1).reshape(-1)


def _packed(halves: NDArray[Any]) -> NDArray[Any]:
    even = np.pad(halves, (0, len(halves) % 2))
    packed: NDArray[Any] = even[::2] | even[1::2] << _HALF
    return packed
