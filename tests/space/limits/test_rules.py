"""Facts of OpenVINO that make a value or a combination not worth trying, and those that don't."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.space.knobs.config import Config
from autotp.space.limits.precision import default_precision
from autotp.space.limits.rules import config_dropped, value_dropped
from autotp.topology.probe import narrow, probe
from tests.support.named_machines import MACHINES, NAMES, topology
from tests.support.parts import Part, Sharing
from tests.support.trees import Described, build


@pytest.mark.parametrize(
    ("name", "separate"),
    [
        ("1x8", False),
        ("2x1", True),
        ("2x6", True),
        ("4x4", True),
        ("2 sockets in one node", False),
        ("smt 2", True),
        ("snc", True),
    ],
)
def test_the_policy_needs_sockets_that_nodes_separate(name: str, separate: bool) -> None:
    """Tensor parallelism is tried on several sockets in several nodes, and nowhere else."""
    reason = value_dropped("distribution_policy", "tensor_parallel", topology(name), ())
    assert (reason is None) is separate
    assert value_dropped("distribution_policy", "none", topology(name), ()) is None


@pytest.mark.parametrize(
    ("described", "tried"),
    [
        (Described(sockets=2, cores_per_node=4, missing=(Part.NODE,)), True),
        (Described(sockets=2, cores_per_node=4, missing=(Part.CACHE,)), True),
        (Described(cores_per_node=4, missing=(Part.CACHE,)), False),
        (Described(nodes_per_socket=2, cores_per_node=4, l3=Sharing.NODE), True),
        (Described(sockets=2, cores_per_node=4, l3=Sharing.NONE), False),
    ],
)
def test_what_openvino_sees_decides_about_the_policy(described: Described, tried: bool, tmp_path: Path) -> None:
    """Without node folders a cache is a node to it, without any L3 all is one socket; unknown is worth a try."""
    here = probe(build(described, tmp_path / "machine"))
    assert (value_dropped("distribution_policy", "tensor_parallel", here, ()) is None) is tried


def test_the_envelope_decides_about_the_policy() -> None:
    """A container on one socket of four can't split; one on two nodes of one socket can't either."""
    one_socket, one_of_two = narrow(topology("4x4"), (4, 5)), narrow(topology("snc"), (0, 3))
    for here in (one_socket, one_of_two):
        reason = value_dropped("distribution_policy", "tensor_parallel", here, ())
        assert reason == "this process may use 1 socket(s), so the policy would do nothing"


@settings(deadline=None)
@given(NAMES, st.sampled_from(["num_streams", "inference_num_threads"]), st.integers(1, 64))
def test_counts_are_bounded_by_the_cpus(name: str, knob: str, count: int) -> None:
    """Streams and threads may be as many as logical CPUs of the process; requests may be more."""
    assert (value_dropped(knob, count, topology(name), ()) is None) is (count <= MACHINES[name].logical_cpus)
    assert value_dropped("nireq", count, topology(name), ()) is None


def test_siblings_exist_with_smt_only() -> None:
    """`enable_hyper_threading` has no effect without SMT."""
    assert value_dropped("enable_hyper_threading", True, topology("smt 2"), ()) is None
    assert value_dropped("enable_hyper_threading", False, topology("2x6"), ()) is not None


def test_quantized_attention_needs_integer_instructions() -> None:
    """AMX INT8 or VNNI2; leaving it off needs nothing."""
    allowed = ("enable_sage_attn",)
    assert "VNNI2" in str(value_dropped("enable_sage_attn", True, topology("1x8 avx2"), allowed))
    assert value_dropped("enable_sage_attn", False, topology("1x8 avx2"), ()) is None


@pytest.mark.parametrize(
    ("settings", "runs"),
    [
        ({}, True),
        ({"distribution_policy": "tensor_parallel"}, True),
        ({"distribution_policy": "tensor_parallel", "performance_hint": "latency"}, True),
        ({"distribution_policy": "tensor_parallel", "performance_hint": "throughput"}, False),
        ({"distribution_policy": "tensor_parallel", "performance_hint": "throughput", "num_streams": 1}, True),
        ({"distribution_policy": "tensor_parallel", "num_streams": 1, "split_count": 2}, True),
        ({"distribution_policy": "tensor_parallel", "num_streams": 2}, False),
        ({"split_count": 1}, True),
        ({"split_count": 2}, True),
        ({"distribution_policy": "none", "split_count": 2, "split_min_weights": 0}, True),
        ({"split_min_weights": 0}, False),
        ({"split_count": 1, "split_min_weights": 0}, False),
        ({"distribution_policy": "tensor_parallel", "split_count": 2, "split_min_weights": 0}, False),
        ({"num_streams": 2, "inference_num_threads": 2}, True),
        ({"num_streams": 3, "inference_num_threads": 2}, True),
        ({"num_streams": 2, "nireq": 1}, True),
        ({"key_cache_quant_mode": "by_token"}, True),
        ({"key_cache_quant_mode": "by_token", "kv_cache_precision": "u4"}, True),
        ({"key_cache_quant_mode": "by_token", "kv_cache_precision": "f32", "key_cache_precision": "u8"}, True),
        ({"key_cache_quant_mode": "by_token", "kv_cache_precision": "bf16"}, False),
        ({"key_cache_quant_mode": "by_token", "key_cache_precision": "f32"}, False),
        ({"key_cache_quant_mode": "by_token", "execution_mode_hint": "accuracy"}, False),
    ],
)
def test_combinations_without_an_effect_say_why(settings: dict[str, object], runs: bool) -> None:
    """A combination that OpenVINO would ignore has a reason; one that it obeys has none."""
    reason = config_dropped(Config.of(settings))
    assert (reason is None) is runs
    assert reason is None or len(reason) > 20


def test_a_knob_that_means_nothing_to_the_workload_says_why() -> None:
    """The workload's reason stands for any value; a config without the knob has none."""
    void = {"nireq": "a language model generates in one request"}
    assert config_dropped(Config.of({"num_streams": 1, "nireq": 4}), void) == void["nireq"]
    assert config_dropped(Config.of({"num_streams": 1}), void) is None


def test_the_default_precision_follows_the_isa() -> None:
    """bf16 where the CPU computes in it, else f32."""
    assert default_precision(topology("1x8").machine) == "bf16"
    assert default_precision(topology("1x8 avx2").machine) == "f32"
