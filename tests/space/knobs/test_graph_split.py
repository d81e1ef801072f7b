"""Which layers a split in the graph takes, and what can't be split so."""

import pytest

from autotp.space.aliases.predictor import Predictor
from autotp.space.bound_space import bind
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import MIN_WEIGHTS, FullyConnected, GraphSplit
from autotp.space.schema.space_file import load_space
from tests.support.named_machines import topology

HEAD, SMALL, NARROW = FullyConnected(28_000_000, 49_152), FullyConnected(331_776, 576), FullyConnected(1000, 2)
LAYERS = (HEAD, SMALL, SMALL)


@pytest.mark.parametrize(
    ("settings", "split"),
    [
        ({"split_count": 2}, GraphSplit(2, MIN_WEIGHTS)),
        ({"split_count": 3, "split_min_weights": 0, "distribution_policy": "none"}, GraphSplit(3, 0)),
        ({"split_count": 2, "distribution_policy": "tensor_parallel"}, None),
        ({"split_count": 1}, None),
        ({}, None),
    ],
)
def test_it_is_what_a_split_count_means_without_a_policy(
    settings: dict[str, object], split: GraphSplit | None
) -> None:
    """With OpenVINO's own policy, or into one part, nothing is split in the graph."""
    assert Config.of(settings).graph_split == split


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (GraphSplit(2), None),
        (GraphSplit(576, 0), None),
        (GraphSplit(577, 0), "a layer with 576 output channels can't be split into 577"),
        (GraphSplit(577), None),
        (GraphSplit(2, 30_000_000), "no fully connected layer of the model has 30,000,000 weights or more"),
    ],
)
def test_a_model_decides_what_can_be_split(split: GraphSplit, reason: str | None) -> None:
    """Only the layers that are large enough count, and each needs as many output channels as shards."""
    assert split.why_not(LAYERS) == reason


def test_thresholds_that_take_the_same_layers_are_aliases() -> None:
    """Prediction merges them where the model is known, and counts the layers; otherwise it keeps them separate."""
    configs = [Config.of({"split_count": 2, "split_min_weights": least}) for least in (0, 331_776, 331_777)]
    known, unknown = (Predictor(topology("1x8"), layers) for layers in (LAYERS, None))
    assert len({known.identity(config) for config in configs}) == 2
    assert len({unknown.identity(config) for config in configs}) == 3
    assert [known.effective(config).split_nodes for config in (Config(), *configs)] == [0, 3, 3, 1]
    assert [unknown.effective(config).split_nodes for config in (Config(), configs[0])] == [0, None]


def test_a_space_tries_what_the_model_has() -> None:
    """Without a large layer the default threshold is dropped with its reason; without any, all splits are."""
    space = load_space("tensor_parallel")
    some, none = (bind(space, topology("1x8"), layers=layers) for layers in ((SMALL,), (NARROW,)))
    reasons = {dropped.reason for dropped in some.census().dropped}
    assert "no fully connected layer of the model has 6,600,000 weights or more" in reasons
    assert {config.graph_split for config in some.effective()} == {None, GraphSplit(2, 0), GraphSplit(4, 0)}
    assert {config.graph_split for config in none.effective()} == {None, GraphSplit(2, 0)}
