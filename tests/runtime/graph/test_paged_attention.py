"""Paged attention: what it takes in, and which models can't have it."""

import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.errors import ModelError
from autotp.runtime.graph.paged_attention import CACHES, SAMPLED, page_attention
from tests.support.language_models import VOCABULARY, build, build_attentive


def test_the_head_is_computed_for_the_sampled_positions_alone() -> None:
    """Caches and tables take the place of the state, as GenAI fills them."""
    model = build_attentive()
    page_attention(model)
    names = {name for port in model.inputs for name in port.get_names()}
    assert {"input_ids", "position_ids", "past_lens", "block_indices", SAMPLED} < names
    assert sorted(name for name in names if name.startswith(CACHES)) == ["key_cache.0", "value_cache.0"]
    assert not {"attention_mask", "beam_idx"} & names
    assert not model.get_sinks()
    (head,) = (node for node in model.get_ops() if node.get_friendly_name() == "logits")
    assert head.get_output_partial_shape(0)[-1].get_length() == VOCABULARY


@pytest.mark.parametrize("kind", ["no attention", "no head"])
def test_other_models_cannot_be_paged(kind: str) -> None:
    """One sentence says so, rather than figures of something else."""
    model = build() if kind == "no attention" else _headless(build_attentive())
    with pytest.raises(ModelError, match="can't page the attention of this model"):
        page_attention(model)


def _headless(model: ov.Model) -> ov.Model:
    (result,) = model.get_results()
    result.input(0).replace_source_output(ops.softmax(result.input_value(0), 2).output(0))
    return model
