"""SplitFC as a config has it: which fully connected layers are split in the graph, and into how many shards.

It is what `split_count` means where OpenVINO isn't asked to split by itself (`distribution_policy: none`).
"""

from collections.abc import Sequence

import msgspec

MIN_WEIGHTS = 6_600_000  # as in OpenVINO's pass of old (https://github.com/openvinotoolkit/openvino/pull/23593)


class FullyConnected(msgspec.Struct, frozen=True):
    """A layer of a model that can be split: how many weights and output channels it has."""

    weights: int
    channels: int


class GraphSplit(msgspec.Struct, frozen=True):
    """Every layer of at least `min_weights` weights in `count` shards."""

    count: int
    min_weights: int = MIN_WEIGHTS

    def takes(self, layer: FullyConnected) -> bool:
        """Whether `layer` is one of those that are split."""
        return layer.weights >= self.min_weights

    def taken(self, layers: Sequence[FullyConnected]) -> list[FullyConnected]:
        """Return those of `layers` that are split."""
        return [layer for layer in layers if self.takes(layer)]

    def settled(self, layers: Sequence[FullyConnected]) -> "GraphSplit":
        """Return the split that takes the same of `layers` and names the smallest of them."""
        least = min((layer.weights for layer in self.taken(layers)), default=self.min_weights)
        return GraphSplit(self.count, least)

    def why_not(self, layers: Sequence[FullyConnected]) -> str | None:
        """Return why a model of `layers` can't be split so, None where it can."""
        narrowest = min((layer.channels for layer in self.taken(layers)), default=None)
        if narrowest is None:
            return f"no fully connected layer of the model has {self.min_weights:,} weights or more"
        if narrowest < self.count:
            return f"a layer with {narrowest} output channels can't be split into {self.count}"
        return None
