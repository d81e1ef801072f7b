"""Paged attention: a language model made into the one that OpenVINO GenAI and the model server run by default.

OpenVINO's own transformation takes the context out of the model's state: the caches of keys and values become
inputs, in blocks of so many tokens, and tables say which blocks a sequence has
(`src/core/src/pass/sdpa_to_paged_attention.cpp`). Sequences stand one after the other in one row of tokens, and
GenAI has the head computed for those alone whose next token it wants; so does this.
"""

from typing import TYPE_CHECKING

import numpy as np

from autotp.errors import ModelError
from autotp.runtime.models.language import head_of
from autotp.runtime.models.read import reason

if TYPE_CHECKING:
    import openvino as ov

PAST, BEGINS, LONGEST = "past_lens", "subsequence_begins", "max_context_len"
BLOCKS, BLOCKS_BEGIN = "block_indices", "block_indices_begins"
KEYS, VALUES = "key_cache.", "value_cache."
CACHES = (KEYS, VALUES)
SAMPLED = "sampled_tokens_indices"


def page_attention(model: "ov.Model") -> None:
    """Have `model` take its context in blocks, and compute its head for the positions `SAMPLED` alone.

    Raises:
        ModelError: its attention isn't of a kind that can be paged, or its head isn't found.
    """
    import openvino.opset13 as ops
    from openvino._offline_transformations import paged_attention_transformation

    try:
        paged_attention_transformation(model)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO can't page the attention of this model: {reason(error)}.") from error
    names = {name for port in model.inputs for name in port.get_names()}
    head = head_of(model)
    if head is None or not any(name.startswith(CACHES) for name in names):
        raise ModelError("OpenVINO can't page the attention of this model: it has none, or no MatMul ends it.")
    sampled = ops.parameter([-1], np.int64, name=SAMPLED)
    sampled.output(0).set_names({SAMPLED})
    chosen = ops.gather(head.input_value(0), sampled, ops.constant(0))
    head.input(0).replace_source_output(chosen.output(0))
    model.add_parameters([sampled])
    model.validate_nodes_and_infer_types()
