"""Small language models with everything that counts: state reordered by beams, positions, and a head.

Attention is linear (Katharopoulos et al., 2020, https://arxiv.org/abs/2006.16236, without its normaliser): what is
kept of the context is one sum for each sequence, so that a reader can check by hand what a token depends on. An
attentive one has OpenVINO's own attention with a cache of keys and values, which can be paged.
"""

import json
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

VOCABULARY, HIDDEN = 97, 16
HEADS, HEAD_SIZE = 2, 16  # of an attentive one


def language_model(
    folder: Path,
    *,
    vocabulary: int = VOCABULARY,
    hidden: int = HIDDEN,
    context: int | None = None,
    attentive: bool = False,
) -> Path:
    """Write a model into `folder` as optimum-intel would, and return the folder.

    Args:
        folder: made if it isn't there.
        vocabulary: tokens that there are.
        hidden: numbers that stand for one.
        context: the most tokens that the config.json beside it allows; without one where it's None.
        attentive: whether its attention is OpenVINO's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = build_attentive(vocabulary) if attentive else build(vocabulary, hidden)
    ov.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)
    if context is not None:
        (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context, "model_type": "toy"}))
    return folder


def build(vocabulary: int = VOCABULARY, hidden: int = HIDDEN) -> ov.Model:
    """Return the graph: logits of a position from the sum of what was read up to it, and from the position."""
    rng = np.random.default_rng(0)
    tokens, mask, positions, beams = _parameters()
    embedding = ops.constant(rng.standard_normal((vocabulary, hidden), np.float32))
    embedded = _embedded(embedding, tokens, positions)
    before = _state("context", tokens, beams, 1, hidden)
    summed = ops.add(before, ops.cum_sum(embedded, ops.constant(1)))
    last = ops.slice(summed, [-1], [2**31 - 1], [1], [1])
    seen = ops.reduce_max(ops.convert(mask, "f32"), ops.constant([0, 1]), keep_dims=False)
    head = ops.constant(rng.standard_normal((vocabulary, hidden), np.float32))
    logits = ops.matmul(ops.multiply(ops.tanh(summed), seen), head, False, True)
    kept = ops.assign(last, "context")
    return _with_logits(logits, [kept], [tokens, mask, positions, beams], "toy")


def build_attentive(vocabulary: int = VOCABULARY) -> ov.Model:
    """Return the graph of one layer of attention with two heads, as optimum-intel writes it."""
    rng = np.random.default_rng(0)
    tokens, mask, positions, beams = _parameters()
    width = HEADS * HEAD_SIZE
    split_heads = ops.constant(np.array([0, 0, HEADS, HEAD_SIZE]))
    kept = []

    def weights(*shape: int) -> ov.Node:
        return ops.constant(0.3 * rng.standard_normal(shape, np.float32))

    def projected() -> ov.Node:
        heads = ops.reshape(ops.matmul(embedded, weights(width, width), False, True), split_heads, True)
        return ops.transpose(heads, ops.constant([0, 2, 1, 3]))

    def cached(name: str) -> ov.Node:
        now = ops.concat([_state(name, tokens, beams, HEADS, 0, HEAD_SIZE), projected()], 2)
        kept.append(ops.assign(now, name))
        return now

    embedded = _embedded(weights(vocabulary, width), tokens, positions)
    query, key, value = projected(), cached("past_key_values.0.key"), cached("past_key_values.0.value")
    total = ops.gather(ops.shape_of(mask), ops.constant(1), ops.constant(0))
    known = ops.range(ops.constant(np.int64(0)), total, ops.constant(np.int64(1)), "i64")
    seen = ops.less_equal(
        ops.unsqueeze(known, ops.constant([0, 1, 2])), ops.unsqueeze(positions, ops.constant([1, 3]))
    )
    hidden_from = ops.select(seen, ops.constant(np.float32(0)), ops.constant(np.float32(-1e9)))
    attended = ops.scaled_dot_product_attention(query, key, value, hidden_from)
    merged = ops.reshape(
        ops.transpose(attended, ops.constant([0, 2, 1, 3])), ops.constant(np.array([0, 0, width])), True
    )
    hidden = ops.add(embedded, ops.matmul(merged, weights(width, width), False, True))
    logits = ops.matmul(hidden, weights(vocabulary, width), False, True)
    return _with_logits(logits, kept, [tokens, mask, positions, beams], "attentive")


def speech_decoder(folder: Path) -> Path:
    """Write a decoder that is fed by an encoder into `folder`, as optimum-intel would, and return the folder.

    It adds to its context what the encoder heard. Its inputs are tokens, the encoder's states [?, ?, HIDDEN] and
    beams.
    """
    model = build()
    _, mask, positions, _ = model.get_parameters()
    heard = ops.parameter([-1, -1, HIDDEN], np.float32, name="encoder_hidden_states")
    heard.output(0).set_names({"encoder_hidden_states"})
    (tanh,) = (node for node in model.get_ops() if node.get_type_name() == "Tanh")
    both = ops.add(tanh.input_value(0), ops.reduce_mean(heard, ops.constant([1]), keep_dims=True))
    tanh.input(0).replace_source_output(both.output(0))
    for parameter, value in ((mask, 1), (positions, 0)):
        parameter.output(0).replace(ops.constant(np.array([[value]])).output(0))
        model.remove_parameter(parameter)
    model.add_parameters([heard])
    return _written(model, folder)


def embeddings_language_model(folder: Path) -> Path:
    """Write a language model that takes embeddings [?, ?, HIDDEN] for tokens, as a seeing model has one."""
    model = build()
    tokens = model.get_parameters()[0]
    embedded = ops.parameter([-1, -1, HIDDEN], np.float32, name="inputs_embeds")
    embedded.output(0).set_names({"inputs_embeds"})
    for read in tokens.output(0).get_target_inputs():
        if read.get_node().get_type_name() == "Gather":
            read.get_node().output(0).replace(embedded.output(0))
        else:
            read.replace_source_output(embedded.output(0))
    model.remove_parameter(tokens)
    model.add_parameters([embedded])
    return _written(model, folder)


def sentence_encoder(folder: Path) -> Path:
    """Write a model with state and beams that gives one vector for each sequence, not logits."""
    model = build()
    result = model.get_results()[0]
    vector = ops.reduce_mean(result.input_value(0), ops.constant([1]))
    vector.output(0).set_names({"sentence_embedding"})
    return _written(ov.Model([ops.result(vector)], model.get_sinks(), model.get_parameters(), "encoder"), folder)


def _written(model: ov.Model, folder: Path) -> Path:
    model.validate_nodes_and_infer_types()
    folder.mkdir(parents=True, exist_ok=True)
    ov.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 448, "model_type": "toy"}))
    return folder


def _parameters() -> tuple[ov.Node, ov.Node, ov.Node, ov.Node]:
    """Return the inputs, under their names: tokens, mask, positions, beams."""
    tokens, mask, positions = (
        ops.parameter([-1, -1], np.int64, name=name) for name in ("input_ids", "attention_mask", "position_ids")
    )
    beams = ops.parameter([-1], np.int32, name="beam_idx")
    for parameter in (tokens, mask, positions, beams):
        parameter.output(0).set_names({parameter.friendly_name})
    return tokens, mask, positions, beams


def _embedded(embedding: ov.Node, tokens: ov.Node, positions: ov.Node) -> ov.Node:
    """Return what stands for each token, with its position added."""
    at = ops.convert(ops.unsqueeze(positions, ops.constant(2)), "f32")
    places = ops.sin(ops.multiply(at, ops.constant(np.float32(0.1))))
    return ops.add(ops.gather(embedding, tokens, ops.constant(0)), places)


def _state(name: str, tokens: ov.Node, beams: ov.Node, *first: int) -> ov.Node:
    """Return a state, reordered by beams, that begins as zeros of the shape `first` for each sequence.

    A size of 0 in `first` grows with what is read.
    """
    batch = ops.gather(ops.shape_of(tokens), ops.constant([0]), ops.constant(0))
    nothing = ops.broadcast(ops.constant(np.float32(0)), ops.concat([batch, ops.constant(np.array(first))], 0))
    before = ops.read_value(nothing, name, np.float32, [-1, *(size or -1 for size in first)])
    return ops.gather(before, beams, ops.constant(0))


def _with_logits(logits: ov.Node, kept: list[ov.Node], inputs: list[ov.Node], name: str) -> ov.Model:
    logits.output(0).set_names({"logits"})
    return ov.Model([ops.result(logits, name="logits")], kept, inputs, name)
