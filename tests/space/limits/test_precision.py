"""Which precisions are as exact as OpenVINO's default, and which need permission."""

import pytest

from autotp.space.knobs.config import Config
from autotp.space.knobs.table import Value
from autotp.space.limits.precision import ALLOWABLE, default_cache_precision, lossy, precision_dropped
from tests.support.named_machines import topology


@pytest.mark.parametrize(
    ("knob", "value", "exact"),
    [
        ("inference_precision_hint", "f32", True),
        ("inference_precision_hint", "bf16", True),
        ("inference_precision_hint", "f16", False),
        ("kv_cache_precision", "f32", True),
        ("kv_cache_precision", "bf16", True),
        ("kv_cache_precision", "u8", True),
        ("kv_cache_precision", "u4", False),
        ("key_cache_precision", "bf16", True),
        ("key_cache_precision", "u4", False),
        ("value_cache_precision", "u4", False),
        ("dynamic_quantization_group_size", 0, True),
        ("dynamic_quantization_group_size", 32, True),
        ("dynamic_quantization_group_size", 64, False),
        ("enable_sage_attn", False, True),
        ("enable_sage_attn", True, False),
        ("cpu_denormals_optimization", True, False),
    ],
)
def test_less_than_the_default_has_to_be_asked_for(knob: str, value: Value, exact: bool) -> None:
    """On a CPU with bf16: f16, a cache of four bits, larger groups, what's off by default; the option is named."""
    machine = topology("1x8").machine
    reason = precision_dropped(knob, value, machine, ())
    assert (reason is None) is exact
    assert lossy(Config.of({knob: value}), machine) is not exact
    if reason is not None:
        (word,) = (word for word in ALLOWABLE if f"`allow_precision={word!r}`" in reason)
        assert precision_dropped(knob, value, machine, (word,)) is None


def test_the_default_follows_the_isa() -> None:
    """bf16 is less exact than the default of a CPU that computes in f32; the cache has eight bits on both."""
    machine = topology("1x8 avx2").machine
    assert "less exact than the default f32" in str(
        precision_dropped("inference_precision_hint", "bf16", machine, ())
    )
    assert default_cache_precision(machine) == "u8"


def test_other_knobs_lose_nothing() -> None:
    """Streams, threads and splits have no precision."""
    config = Config.of({"num_streams": 2, "split_count": 2, "key_cache_group_size": 16})
    assert not lossy(config, topology("1x8").machine)
