"""SplitFC: splits fully connected layers by output channel, in the graph.

A MatMul by constant two-dimensional weights becomes several MatMuls, each by the weights of some output channels
(a shard), and a Concat of their outputs. So each shard can be stored near the cores that use it (the idea of
https://github.com/openvinotoolkit/openvino/pull/23593). Bias and post-ops stay after the Concat.

Compressed weights stay compressed: the nodes that decompress them are cloned for every shard. Their constants are
sliced if they have output channels, and shared if not. A constant that has another reader, such as an embedding
tied to the head, stays whole for that reader: if it read a Concat of slices, OpenVINO would keep it decompressed.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from autotp.errors import ModelError
from autotp.runtime.graph.weights import Carrier, carriers, slice_constant
from autotp.runtime.models.reason import reason
from autotp.space.knobs.graph_split import FullyConnected, GraphSplit

if TYPE_CHECKING:
    import openvino as ov

SHARD = "/shard"
MULTIPLYING = frozenset({"FullyConnected", "MatMul"})  # types of a MatMul in the compiled model


class Layer(msgspec.Struct, frozen=True):
    """A fully connected layer that can be split: its MatMul, and the nodes that its weights are computed by."""

    matmul: "ov.Node"
    carriers: tuple[Carrier, ...]

    @property
    def weights(self) -> "ov.Output":
        """The weights, an input of the MatMul."""
        return self.matmul.input_value(1)

    @property
    def axis(self) -> int:
        """The axis of the weights that is the output channels."""
        return _channel_axis(self.matmul)

    @property
    def facts(self) -> FullyConnected:
        """The numbers of weights and of output channels, and the bits of a stored weight."""
        shape = self.weights.get_shape()
        constants = (carrier.node for carrier in self.carriers if carrier.kind == "Constant")
        stored = max(constants, key=lambda constant: prod(constant.get_output_shape(0)))
        return FullyConnected(prod(shape), int(shape[self.axis]), int(stored.get_element_type().bitwidth))


def fully_connected(model: "ov.Model") -> Iterator[Layer]:
    """Yield the layers of `model` that can be split, in topological order."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and (found := _carriers_of_weights(node)):
            yield Layer(node, found)


def split_fc(model: "ov.Model", split: GraphSplit, mapped: bool = False) -> "ov.Model":
    """Return a clone of `model` with its fully connected layers split.

    Args:
        model: isn't changed.
        split: which layers to split, and into how many shards. The shards have the same number of output channels,
            or differ by one.
        mapped: whether the model's weights are mapped from a file, so that shards needn't be copies.

    Raises:
        ModelError: no layer has enough weights to be split, a layer has too few output channels, or OpenVINO
            rejects the split model.
    """
    clone = model.clone()
    layers = list(fully_connected(clone))
    if obstacle := split.why_not([layer.facts for layer in layers]):
        raise ModelError(f"The model can't be split: {obstacle}.")
    slices = _Slices(mapped)
    try:
        for layer in layers:
            if split.applies_to(layer.facts):
                _split(layer, shard_bounds(layer.facts.channels, split.count), slices)
        clone.validate_nodes_and_infer_types()
    except RuntimeError as error:
        raise ModelError(f"OpenVINO rejects the split model: {reason(error)}.") from error
    return clone


def count_split(compiled: "ov.CompiledModel") -> int:
    """Return how many layers OpenVINO runs in shards, counted in the compiled model."""
    nodes = compiled.get_runtime_model().get_ops()
    multiplying = (node for node in nodes if str(node.get_rt_info()["layerType"].value) in MULTIPLYING)
    return sum(node.get_friendly_name().endswith(f"{SHARD}0") for node in multiplying)


def shard_name(node: "ov.Node", number: int) -> str:
    """Return the name of the copy of `node` that belongs to shard `number`."""
    return f"{node.get_friendly_name()}{SHARD}{number}"


def shard_bounds(channels: int, count: int) -> list[tuple[int, int]]:
    """Return the first channel of each of `count` shards and the one after its last; larger shards come first."""
    sizes = (channels // count + (shard < channels % count) for shard in range(count))
    return list(pairwise(accumulate(sizes, initial=0)))


class _Slices:
    """Slices of constants; each is made once and used by all nodes that need it."""

    def __init__(self, mapped: bool) -> None:
        self._mapped = mapped
        self._made: dict[tuple[str, int], dict[int, ov.Node]] = {}

    def of(self, carrier: Carrier, low: int, high: int, number: int) -> "ov.Node":
        """Return the constant `carrier` cut to the elements from `low` to below `high` along its axis."""
        made = self._made.setdefault((carrier.node.get_name(), carrier.axis), {})
        if low not in made:
            made[low] = slice_constant(carrier.node, carrier.axis, low, high, self._mapped)
            made[low].set_friendly_name(shard_name(carrier.node, number))
        return made[low]


def _carriers_of_weights(matmul: "ov.Node") -> tuple[Carrier, ...]:
    """Return the nodes that have the output channels of a MatMul's weights; none if these can't be split."""
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
    """Replace the MatMul of `layer` by one for each of `bounds`, and their Concat."""
    from openvino import opset1
    from openvino.utils import replace_node

    matmul, name = layer.matmul, layer.matmul.get_friendly_name()
    attributes, tensor_names = matmul.get_attributes(), matmul.output(0).get_names()
    shards = []
    for number, (low, high) in enumerate(bounds):
        weights = _shard_weights(layer, low, high, number, slices)
        activations = matmul.input_value(0)
        shard = opset1.matmul(activations, weights, attributes["transpose_a"], attributes["transpose_b"])
        shard.set_friendly_name(shard_name(matmul, number))
        shards.append(shard)
    whole = opset1.concat(shards, axis=-1)
    replace_node(matmul, whole)
    whole.set_friendly_name(name)
    whole.output(0).get_tensor().set_names(tensor_names)


def _shard_weights(layer: Layer, low: int, high: int, number: int, slices: _Slices) -> "ov.Output":
    """Return the weights of the output channels from `low` to below `high`, computed as the whole weights are."""
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
