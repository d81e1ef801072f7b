"""Recipes: what is tried first."""

from autotp.space import Config
from autotp.tuning.propose.recipes import recipes


def test_recipes_are_valid_settings_for_the_machine() -> None:
    """Each recipe is a config; streams follow the cores, the split the sockets."""
    found = [Config.of(settings) for settings in recipes(cores=16, sockets=2, generates=False)]
    assert Config.of({"num_streams": 16, "nireq": 32}) in found
    assert Config.of({"distribution_policy": "tensor_parallel", "split_count": 2}) in found
    assert Config.of({"inference_precision_hint": "f32"}) in found


def test_those_of_a_language_model_change_one_thing_at_a_time() -> None:
    """It generates in one request, and a precision isn't the only thing that is tried first."""
    found = [Config.of(settings) for settings in recipes(cores=16, sockets=2, generates=True)]
    assert Config.of({"distribution_policy": "tensor_parallel", "split_count": 2}) == found[0]
    assert Config.of({"inference_precision_hint": "f32"}) in found
    assert sum(config.get("inference_precision_hint") is None for config in found) > 2
    assert all(config.count("nireq") is None for config in found)
