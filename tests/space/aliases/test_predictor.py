"""Which configs are aliases of one, and which must stay apart."""

from typing import Any

import pytest

from autotp.errors import SpaceError
from autotp.space.aliases.predictor import Identity, Predictor
from autotp.space.knobs.config import Config
from tests.support.named_machines import topology

SPLIT = {"distribution_policy": "tensor_parallel"}
EXACT = {"inference_precision_hint": "f32", "kv_cache_precision": "f32", "dynamic_quantization_group_size": 0}
HALF_EXACT = {**EXACT, "inference_precision_hint": "bf16"}


def of(name: str, **settings: Any) -> Identity:
    """The identity of a config on a machine of `MACHINES`."""
    return Predictor(topology(name)).identity(Config.of(settings))


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("1x8", {}, {"performance_hint": "none"}),
        ("1x8", {}, {"performance_hint": "latency"}),
        ("1x8", {}, {"distribution_policy": "none"}),
        ("1x8", {}, {"inference_precision_hint": "bf16"}),
        ("1x8 avx2", {}, {"inference_precision_hint": "f32"}),
        ("1x8", {}, {"numa_nodes": 1}),
        ("1x8", {}, SPLIT),
        ("2 sockets in one node", {}, SPLIT),
        ("2x6", SPLIT, {**SPLIT, "split_count": 2}),
        ("2x6", {"numa_nodes": 1}, {"numa_nodes": [0]}),
        ("2x6", {"numa_nodes": 1}, {**SPLIT, "split_count": 1}),
        ("1x8", {"num_streams": 8}, {"num_streams": 8, "performance_hint": "throughput"}),
        ("1x8", {"num_streams": 3}, {"num_streams": 3, "inference_num_threads": 7}),
        ("1x8", {"num_streams": 3, "inference_num_threads": 2}, {"num_streams": 2, "inference_num_threads": 2}),
        ("smt 2", {}, {"enable_hyper_threading": False}),
        ("1x8", {}, {"execution_mode_hint": "performance"}),
        ("1x8", {}, {"enable_sage_attn": False, "cpu_denormals_optimization": False}),
        ("1x8", {"execution_mode_hint": "accuracy"}, EXACT),
        ("1x8", {"execution_mode_hint": "accuracy", "inference_precision_hint": "bf16"}, HALF_EXACT),
    ],
)
def test_configs_that_openvino_treats_alike_are_one(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Words that pass nothing, values that are the default, a policy that does nothing: aliases."""
    assert of(name, **one) == of(name, **other)
    assert hash(of(name, **one)) == hash(of(name, **other))


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("1x8", {}, {"performance_hint": "throughput"}),
        ("1x8", {}, {"inference_precision_hint": "f32"}),
        ("1x8", {}, {"execution_mode_hint": "accuracy"}),
        ("1x8", {}, {"cpu_denormals_optimization": True}),
        ("1x8", {"key_cache_quant_mode": "by_channel"}, {"key_cache_quant_mode": "by_token"}),
        ("1x8 avx2", {}, {"inference_precision_hint": "bf16"}),
        ("1x8", {"num_streams": 4}, {"num_streams": 4, "nireq": 8}),
        ("1x8", {"num_streams": 4}, {"num_streams": 4, "nireq": 4}),
        ("1x8", {"performance_hint": "throughput"}, {"performance_hint": "throughput", "nireq": 1}),
        ("2x6", {}, SPLIT),
        ("2x6", SPLIT, {**SPLIT, "split_count": 1}),
        ("4x4", {**SPLIT, "split_count": 2}, {**SPLIT, "split_count": 3}),
        ("2x6", {"numa_nodes": [0]}, {"numa_nodes": [1]}),
        ("1x8", {}, {"enable_cpu_pinning": False}),
        ("snc", {"numa_nodes": 2}, {"numa_nodes": 2, **SPLIT}),
        ("snc", {"numa_nodes": [0, 1]}, {**SPLIT, "split_count": 1}),
        ("2x6", {"num_streams": 4}, {"num_streams": 4, "performance_hint": "throughput"}),
        ("smt 2", {}, {"enable_hyper_threading": True}),
    ],
)
def test_configs_that_differ_stay_apart(name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """What OpenVINO may treat differently is never merged before it was tried."""
    assert of(name, **one) != of(name, **other)


def test_an_invalid_config_has_no_identity() -> None:
    """A config whose mask can't be made says why."""
    with pytest.raises(SpaceError, match="split_count=2 needs more sockets than the 1"):
        of("1x8", **SPLIT, split_count=2)
