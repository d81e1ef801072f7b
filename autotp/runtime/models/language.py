"""Language models, decoders that keep their context (the KV cache) as state: vocabulary, context limit, head.

As optimum-intel and OpenVINO GenAI write them, they take token ids, a mask, positions and the order of beams, and
return logits for every position (https://docs.openvino.ai/2026/openvino-workflow-generative.html). Only the logits
of the last position predict the next token, and the head is often the largest layer. So GenAI computes it for the
last position only. This module does the same; otherwise prompts would take longer when measured than when
deployed.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from autotp.errors import ModelError

if TYPE_CHECKING:
    import openvino as ov

TOKENS, MASK, POSITIONS, BEAMS = "input_ids", "attention_mask", "position_ids", "beam_idx"
LOGITS = "logits"
INPUTS = frozenset({TOKENS, MASK, POSITIONS, BEAMS})
_EACH_POSITION = frozenset({"Convert", "Add", "Multiply", "Divide", "Tanh"})  # bias, soft capping of logits
_LAST, _END = -1, 2**31 - 1
_DYNAMIC = -1

_NO_LIMIT = 2**53  # from where JSON readers lose digits; 1e30 is a usual way to write "no limit"

# The keys of a Hugging Face config.json for the size of the context; model families use different ones. Multimodal
# models have them in `text_config`.
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length")


class Attention(StrEnum):
    """Where the context is kept: in the model's state (SDPA) or in pages (PA); GenAI's `ATTENTION_BACKEND`."""

    SDPA = "SDPA"
    PA = "PA"


class SignedPort(msgspec.Struct, frozen=True):
    """An input or output: all its names, and its sizes, of which -1 is dynamic (empty if their number is)."""

    names: frozenset[str]
    sizes: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True):
    """The inputs and outputs of a model, read from its file or from OpenVINO."""

    inputs: tuple[SignedPort, ...]
    outputs: tuple[SignedPort, ...]


class Language(msgspec.Struct, frozen=True):
    """The size of a language model's vocabulary, and of its context in tokens (None if unknown)."""

    vocabulary: int
    context: int | None = None


def describe_language(model: "ov.Model", context: int | None = None) -> Language:
    """Return the vocabulary of `model`, with its `context` in tokens.

    Raises:
        ModelError: it isn't a language model that autotp can generate with.
    """
    signature = signature_of(model)
    if reason := why_not_generating(signature):
        raise ModelError(f"The language model can't be driven: {reason}.")
    return Language(_logits(signature.outputs).sizes[2], context)


def why_not_generating(signature: Signature) -> str | None:
    """Return why a model with beams and state can't be given prompts of tokens; None if it can.

    Decoders that are fed by an encoder, such as those of speech models, and language models that take embeddings,
    such as those behind pictures, have state and beams, too.
    """
    if unknown := [
        min(port.names, default="without a name") for port in signature.inputs if not port.names & INPUTS
    ]:
        return f"it has an input {unknown[0]!r}, which autotp can't fill: it knows {', '.join(sorted(INPUTS))}"
    tokens = [port.sizes for port in signature.inputs if TOKENS in port.names]
    if not tokens:
        return f"it has no input {TOKENS!r}, so it can't read tokens"
    if len(tokens[0]) == 2 and tokens[0][1] != _DYNAMIC:
        return f"its {TOKENS} have the shape {_shown(tokens[0])}, so the length of prompts is fixed"
    logits = _logits(signature.outputs).sizes if signature.outputs else ()
    if len(logits) != 3 or logits[2] == _DYNAMIC:
        return f"its logits have the shape {_shown(logits)}, so the size of its vocabulary is unknown"
    return None


def signature_of(model: "ov.Model") -> Signature:
    """Return the inputs and outputs of `model`."""
    return Signature(inputs=tuple(map(_signed, model.inputs)), outputs=tuple(map(_signed, model.outputs)))


def keep_last_logits(model: "ov.Model") -> None:
    """Change `model` to compute its head for the last position only, if the head is found (as in GenAI)."""
    import openvino.opset13 as ops

    if (head := head_of(model)) is None:
        return
    hidden = head.input_value(0)
    if hidden.partial_shape.rank.is_static and len(hidden.partial_shape) == 3:
        last = ops.slice(hidden, [_LAST], [_END], [1], [1])
        head.input(0).replace_source_output(last.output(0))
        model.validate_nodes_and_infer_types()


def head_of(model: "ov.Model") -> "ov.Node | None":
    """Return the MatMul at the end of `model`, before any elementwise nodes; None if there is no such MatMul."""
    head = logits_port(model).get_node().input_value(0).get_node()
    while head.get_type_name() in _EACH_POSITION:
        head = head.input_value(0).get_node()
    return head if head.get_type_name() == "MatMul" else None


def context_limit(model: Path) -> int | None:
    """Return the size of the context in tokens, from the config.json beside the graph `model`.

    None if there is no such file, it can't be read, or doesn't say: OpenVINO runs the model without the file.
    """
    try:
        # Unlike JSON, Python's reader takes what Python's writer makes: Infinity, NaN, a byte-order mark.
        config = json.loads(model.with_name("config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return _context(config)


def _context(config: Any) -> int | None:
    """Return the size of the context according to a config.json or its part `text_config`."""
    if not isinstance(config, dict):
        return None
    own = next((int(config[key]) for key in _CONTEXT_KEYS if _is_limit(config.get(key))), None)
    return _context(config.get("text_config")) if own is None else own


def _is_limit(value: Any) -> bool:
    """Whether `value` is a number of tokens; True, which Python also counts as a number, and "no limit" aren't."""
    return type(value) in (int, float) and 0 < value < _NO_LIMIT and value == int(value)


def logits_port(model: "ov.Model | ov.CompiledModel") -> "ov.Output":
    """Return the output called `logits`, or the first output if none is."""
    named = [port for port in model.outputs if LOGITS in port.get_names()]
    return (named or model.outputs)[0]


def _logits(outputs: tuple[SignedPort, ...]) -> SignedPort:
    """Return the output that `logits_port` takes."""
    return next((port for port in outputs if LOGITS in port.names), outputs[0])


def _signed(port: "ov.Output") -> SignedPort:
    shape = port.partial_shape
    sizes = () if shape.rank.is_dynamic else tuple(_DYNAMIC if d.is_dynamic else d.get_length() for d in shape)
    return SignedPort(frozenset(port.get_names()), sizes)


def _shown(sizes: tuple[int, ...]) -> str:
    return f"[{','.join('?' if size == _DYNAMIC else str(size) for size in sizes)}]"
