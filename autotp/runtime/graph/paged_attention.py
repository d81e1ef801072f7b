"""Paged attention: transforms a language model as OpenVINO GenAI and the model server do by default.

OpenVINO's own transformation moves the context out of the model's state. The key and value caches become inputs,
in blocks of a fixed number of tokens, and tables say which blocks belong to a sequence
(`src/core/src/pass/sdpa_to_paged_attention.cpp`). All sequences are concatenated into one row of tokens. As in
GenAI, the head is computed only for the tokens whose successor is wanted.
"""

from typing import TYPE_CHECKING

import numpy as np

from autotp.errors import ModelError
from autotp.runtime.models.language import head_of
from autotp.runtime.models.reason import reason

if TYPE_CHECKING:
    import openvino as ov

PAST, BEGINS, LONGEST = "past_lens", "subsequence_begins", "max_context_len"
BLOCKS, BLOCKS_BEGIN = "block_indices", "block_indices_begins"
KEYS, VALUES = "key_cache.", "value_cache."
CACHES = (KEYS, VALUES)
SAMPLED = "sampled_tokens_indices"


def page_attention(model: "ov.Model") -> None:
    """Change `model` to take its context in blocks, and to compute its head only for the positions in `SAMPLED`.

    Raises:
        ModelError: OpenVINO can't page its attention, or its head isn't found.
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
        raise ModelError(
            "OpenVINO can't page the attention of this model: it has no attention, or doesn't end in a MatMul."
        )
    sampled = ops.parameter([-1], np.int64, name=SAMPLED)
    sampled.output(0).set_names({SAMPLED})
    chosen = ops.gather(head.input_value(0), sampled, ops.constant(0))
    head.input(0).replace_source_output(chosen.output(0))
    model.add_parameters([sampled])
    model.validate_nodes_and_infer_types()
