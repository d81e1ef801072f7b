"""Small language models with everything that counts: state reordered by beams, positions, and a head.

Attention is linear (Katharopoulos et al., 2020, https://arxiv.org/abs/2006.16236, without its normaliser): what is
kept of the context is one sum for each sequence, so that a reader can check by hand what a token depends on.
"""

import json
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

VOCABULARY, HIDDEN = 97, 16


def language_model(
    folder: Path, *, vocabulary: int = VOCABULARY, hidden: int = HIDDEN, context: int | None = None
) -> Path:
    """Write a model into `folder` as optimum-intel would, and return the folder.

    Args:
        folder: made if it isn't there.
        vocabulary: tokens that there are.
        hidden: numbers that stand for one.
        context: the most tokens that the config.json beside it allows; without one where it's None.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(build(vocabulary, hidden), folder / "openvino_model.xml", compress_to_fp16=False)
    if context is not None:
        (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context, "model_type": "toy"}))
    return folder


def build(vocabulary: int = VOCABULARY, hidden: int = HIDDEN) -> ov.Model:
    """Return the graph: logits of a position from the sum of what was read up to it, and from the position."""
    rng = np.random.default_rng(0)
    tokens = ops.parameter([-1, -1], np.int64, name="input_ids")
    mask = ops.parameter([-1, -1], np.int64, name="attention_mask")
    positions = ops.parameter([-1, -1], np.int64, name="position_ids")
    beams = ops.parameter([-1], np.int32, name="beam_idx")
    for parameter in (tokens, mask, positions, beams):
        parameter.output(0).set_names({parameter.friendly_name})
    embedding = ops.constant(rng.standard_normal((vocabulary, hidden), np.float32))
    embedded = ops.gather(embedding, tokens, ops.constant(0))
    at = ops.convert(ops.unsqueeze(positions, ops.constant(2)), "f32")
    embedded = ops.add(embedded, ops.sin(ops.multiply(at, ops.constant(np.float32(0.1)))))
    batch = ops.gather(ops.shape_of(tokens), ops.constant([0]), ops.constant(0))
    nothing = ops.broadcast(
        ops.constant(np.float32(0)), ops.concat([batch, ops.constant(np.array([1, hidden]))], 0)
    )
    before = ops.read_value(nothing, "context", np.float32, [-1, 1, hidden])
    before = ops.gather(before, beams, ops.constant(0))
    summed = ops.add(before, ops.cum_sum(embedded, ops.constant(1)))
    last = ops.slice(summed, [-1], [2**31 - 1], [1], [1])
    seen = ops.reduce_max(ops.convert(mask, "f32"), ops.constant([0, 1]), keep_dims=False)
    head = ops.constant(rng.standard_normal((vocabulary, hidden), np.float32))
    logits = ops.matmul(ops.multiply(ops.tanh(summed), seen), head, False, True)
    logits.output(0).set_names({"logits"})
    kept = ops.assign(last, "context")
    return ov.Model([ops.result(logits, name="logits")], [kept], [tokens, mask, positions, beams], "toy")
