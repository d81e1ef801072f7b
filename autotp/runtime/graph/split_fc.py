"""SplitFC: fully connected layers split by output channel, in the graph.

A MatMul by constant two-dimensional weights becomes several, each by a share of the output channels, and a Concat
of what they give: so each share of the weights can lie where it is used (the idea of
https://github.com/openvinotoolkit/openvino/pull/23593). Bias and post-ops stay after the Concat.

Compressed weights stay compressed: what turns them into numbers is cloned for every share, and those of its
constants that have output channels are sliced; the others are shared. A constant that something else reads as
well, such as an embedding tied to the head, stays as it is for that: read through a Concat of slices, OpenVINO
would decompress it for good.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autotp.errors import ModelError
from autotp.runtime.graph.weights import Carrier, carriers, sliced
from autotp.runtime.models.read import reason
from autotp.space import FullyConnected, GraphSplit

if TYPE_CHECKING:
    import openvino as ov

SHARD = "/shard"
MULTIPLYING = frozenset({"FullyConnected", "MatMul"})  # what the CPU plugin makes of a MatMul


class Layer(msgspec.Struct, frozen=True):
    """A fully connected layer that can be split: its MatMul, and the nodes that carry its output channels."""

    matmul: "ov.Node"
    carriers: tuple[Carrier, ...]

    @property
    def weights(self) -> "ov.Output":
        """What the MatMul multiplies by."""
        return self.matmul.input_value(1)

    @property
    def axis(self) -> int:
        """The axis of the weights along which the output channels lie."""
        return _channel_axis(self.matmul)

    @property
    def facts(self) -> FullyConnected:
        """How many weights and output channels it has."""
        shape = self.weights.get_shape()
        return FullyConnected(prod(shape), int(shape[self.axis]))


def fully_connected(model: "ov.Model") -> Iterator[Layer]:
    """Yield the layers of `model` that can be split, in an order in which they can run."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and (found := _carriers_of_weights(node)):
            yield Layer(node, found)


def split_fc(model: "ov.Model", split: GraphSplit, mapped: bool = False) -> "ov.Model":
    """Return a clone of `model` with its fully connected layers split.

    Args:
        model: stays as it is.
        split: which layers are split, and into how many shards. Output channels that don't divide by them are
            shared out as evenly as can be.
        mapped: whether its weights are mapped from a file, so that shares of them needn't be copies.

    Raises:
        ModelError: no layer has so many weights, one that has them has too few output channels, or OpenVINO
            doesn't take what came of it.
    """
    clone = model.clone()
    layers = list(fully_connected(clone))
    if obstacle := split.why_not([layer.facts for layer in layers]):
        raise ModelError(f"The model can't be split: {obstacle}.")
    slices = _Slices(mapped)
    try:
        for layer in layers:
            if split.takes(layer.facts):
                _split(layer, shard_bounds(layer.facts.channels, split.count), slices)
        clone.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise ModelError(f"OpenVINO doesn't take the split model: {reason(error)}.") from error
    return clone


def count_split(compiled: "ov.CompiledModel") -> int:
    """Return how many layers OpenVINO runs in shards, counted in what it made of the model."""
    nodes = compiled.get_runtime_model().get_ops()
    multiplying = (node for node in nodes if str(node.get_rt_info()["layerType"].value) in MULTIPLYING)
    return sum(node.get_friendly_name().endswith(f"{SHARD}0") for node in multiplying)


def shard_name(node: "ov.Node", number: int) -> str:
    """Return the name of what `node` is in one of the shards."""
    return f"{node.get_friendly_name()}{SHARD}{number}"


def shard_bounds(channels: int, count: int) -> list[tuple[int, int]]:
    """Return where each of `count` shards begins and ends; the first are larger by one where it doesn't divide."""
    sizes = (channels // count + (shard < channels % count) for shard in range(count))
    return list(pairwise(accumulate(sizes, initial=0)))


class _Slices:
    """Slices of constants, each made once."""

    def __init__(self, mapped: bool) -> None:
        self._mapped = mapped
        self._made: dict[tuple[str, int], dict[int, ov.Node]] = {}

    def of(self, carrier: Carrier, low: int, high: int, number: int) -> "ov.Node":
        """Return the constant that `carrier` is with the elements from `low` to `high` of its axis."""
        made = self._made.setdefault((carrier.node.get_name(), carrier.axis), {})
        if low not in made:
            made[low] = sliced(carrier.node, carrier.axis, low, high, self._mapped)
            made[low].set_friendly_name(shard_name(carrier.node, number))
        return made[low]


def _carriers_of_weights(matmul: "ov.Node") -> tuple[Carrier, ...]:
    """Return what carries the output channels of a MatMul's weights, nothing where they can't be split."""
    weights = matmul.input_value(1)
    shape = weights.get_partial_shape()
    if shape.is_dynamic or len(shape) != 2 or matmul.input_value(0).get_node().get_type_name() == "Constant":
        return ()
    try:
        return carriers(weights, _channel_axis(matmul))
    except LookupError:
        return ()


def _channel_axis(matmul: "ov.Node") -> int:
    return 0 if matmul.get_attributes()["transpose_b"] else 1


def _split(layer: Layer, bounds: Sequence[tuple[int, int]], slices: _Slices) -> None:
    from openvino import opset1
    from openvino.utils import replace_node

    matmul, name = layer.matmul, layer.matmul.get_friendly_name()
    attributes, tensor_names = matmul.get_attributes(), matmul.output(0).get_names()
    shards = []
    for number, (low, high) in enumerate(bounds):
        weights = _share(layer, low, high, number, slices)
        given = matmul.input_value(0)
        shard = opset1.matmul(given, weights, attributes["transpose_a"], attributes["transpose_b"])
        shard.set_friendly_name(shard_name(matmul, number))
        shards.append(shard)
    whole = opset1.concat(shards, axis=-1)
    replace_node(matmul, whole)
    whole.set_friendly_name(name)
    whole.output(0).get_tensor().set_names(tensor_names)


def _share(layer: Layer, low: int, high: int, number: int, slices: _Slices) -> "ov.Output":
    """Return weights of the output channels from `low` to `high` alone, made as those of all are made."""
    import openvino as ov
    from openvino.utils import replace_node

    chain = ov.Model([layer.weights], []).clone()
    copies = carriers(chain.get_results()[0].input_value(0), layer.axis)
    for node in chain.get_ops():
        node.set_friendly_name(shard_name(node, number))
    for original, copy in zip(layer.carriers, copies, strict=True):
        if copy.kind == "Constant":
            replace_node(copy.node, slices.of(original, low, high, number))
        elif copy.kind == "Reshape":
            target = np.array(copy.node.get_output_shape(0), np.int64)
            target[copy.axis] = high - low
            copy.node.input(1).replace_source_output(ov.op.Constant(target).output(0))
    chain.validate_nodes_and_infer_types()
    return chain.get_results()[0].input_value(0)
