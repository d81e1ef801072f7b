"""Recipes: what is tried first."""

from autotp.search.recipes import recipes
from autotp.space import Config


def test_recipes_are_valid_settings_for_the_machine() -> None:
    """Each recipe is a config; streams follow the cores, the split the sockets."""
    found = [Config.of(settings) for settings in recipes(cores=16, sockets=2)]
    assert Config.of({"num_streams": 16, "nireq": 32}) in found
    assert Config.of({"distribution_policy": "tensor_parallel", "split_count": 2}) in found
    assert Config.of({"inference_precision_hint": "f32"}) in found
