"""The settings of a graph split (SplitFC): which fully connected layers are split, and into how many shards.

`split_count` means this if OpenVINO's own split isn't used (`distribution_policy: none`).
"""

from collections.abc import Sequence

import msgspec

MIN_WEIGHTS = 6_600_000  # as in a former pass of OpenVINO (https://github.com/openvinotoolkit/openvino/pull/23593)


class FullyConnected(msgspec.Struct, frozen=True):
    """A layer of a model that can be split: its numbers of weights and output channels, and the bits of a weight.

    The bits are those that the model stores.
    """

    weights: int
    channels: int
    bits: int = 32


class GraphSplit(msgspec.Struct, frozen=True):
    """Split every layer with at least `min_weights` weights into `count` shards."""

    count: int
    min_weights: int = MIN_WEIGHTS

    def applies_to(self, layer: FullyConnected) -> bool:
        """Whether `layer` is split."""
        return layer.weights >= self.min_weights

    def selected(self, layers: Sequence[FullyConnected]) -> list[FullyConnected]:
        """Return the layers that are split."""
        return [layer for layer in layers if self.applies_to(layer)]

    def normalized(self, layers: Sequence[FullyConnected]) -> "GraphSplit":
        """Return the split of the same layers whose `min_weights` is the size of the smallest of them."""
        least = min((layer.weights for layer in self.selected(layers)), default=self.min_weights)
        return GraphSplit(self.count, least)

    def why_not(self, layers: Sequence[FullyConnected]) -> str | None:
        """Return why a model with these `layers` can't be split like this, None if it can."""
        narrowest = min((layer.channels for layer in self.selected(layers)), default=None)
        if narrowest is None:
            return f"no fully connected layer of the model has {self.min_weights:,} weights or more"
        if narrowest < self.count:
            return f"a layer with {narrowest} output channels can't be split into {self.count}"
        return None
