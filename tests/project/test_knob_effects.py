"""Settings whose effect OpenVINO reports in no property change what a model says."""

from typing import Any

import numpy as np
import pytest

from autotp.runtime.models.language import Attention
from autotp.space.knobs.config import Config
from autotp.space.limits.rules import value_dropped
from autotp.topology.probe import probe
from tests.evidence.knob_effects import DENORMALS, logits, passes_subnormals_elsewhere

BY_CHANNEL = {"key_cache_quant_mode": "by_channel"}
BY_TOKEN = {"key_cache_quant_mode": "by_token"}


@pytest.mark.parametrize("attention", Attention)
def test_keys_are_quantized_by_channel_or_by_token(attention: Attention) -> None:
    """With either attention; which of the two is OpenVINO's own differs between them."""
    one, other = (logits(attention, Config.of(mode).properties()) for mode in (BY_CHANNEL, BY_TOKEN))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_the_mode_does_nothing_to_keys_that_arent_quantized(precision: str) -> None:
    """So it is refused there."""
    modes: tuple[dict[str, Any], ...] = (BY_CHANNEL, BY_TOKEN)
    kept = {"kv_cache_precision": precision}
    one, other = (logits(Attention.SDPA, Config.of({**mode, **kept}).properties()) for mode in modes)
    assert np.array_equal(one, other)


def test_quantized_attention_changes_what_is_read_of_a_prompt() -> None:
    """Where this CPU has it; outputs are less exact, so it needs permission."""
    if reason := value_dropped("enable_sage_attn", True, probe(), ("enable_sage_attn",)):
        pytest.skip(reason)
    found = logits(Attention.PA, Config.of({"enable_sage_attn": True}).properties())
    assert not np.array_equal(found[0], logits(Attention.PA, {})[0])


def test_denormals_become_zero() -> None:
    """A number below the normal ones passes a model only without the optimization."""
    assert passes_subnormals_elsewhere({})
    assert not passes_subnormals_elsewhere(DENORMALS)
