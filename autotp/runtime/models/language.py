"""Language models, decoders that keep their context (the KV cache) as state: vocabulary, context limit, head.

As optimum-intel and OpenVINO GenAI write them, they take token ids, a mask, positions and the order of beams, and
return logits for every position (https://docs.openvino.ai/2026/openvino-workflow-generative.html). Only the logits
of the last position predict the next token, and the head is often the largest layer. So GenAI computes it for the
last position only. This module does the same; otherwise prompts would take longer when measured than when
deployed.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from autotp.errors import ModelError

if TYPE_CHECKING:
    import openvino as ov

TOKENS, MASK, POSITIONS, BEAMS = "input_ids", "attention_mask", "position_ids", "beam_idx"
LOGITS = "logits"
INPUTS = frozenset({TOKENS, MASK, POSITIONS, BEAMS})
_EACH_POSITION = frozenset({"Convert", "Add", "Multiply", "Divide", "Tanh"})  # bias, soft capping of logits
_LAST, _END = -1, 2**31 - 1


class Attention(StrEnum):
    """Where the context is kept: in the model's state (SDPA) or in pages (PA); GenAI's `ATTENTION_BACKEND`."""

    SDPA = "SDPA"
    PA = "PA"


class Language(msgspec.Struct, frozen=True):
    """The size of a language model's vocabulary, and of its context in tokens (None if unknown)."""

    vocabulary: int
    context: int | None = None


class _Limits(msgspec.Struct, frozen=True):
    """The keys of a Hugging Face config.json for the size of the context; model families use different ones.

    Multimodal models have the key in `text_config`.
    """

    max_position_embeddings: int | None = None
    n_positions: int | None = None
    max_seq_len: int | None = None
    max_sequence_length: int | None = None
    seq_length: int | None = None
    text_config: "_Limits | None" = None

    @property
    def context(self) -> int | None:
        """The size of the context in tokens."""
        limits = (
            self.max_position_embeddings,
            self.n_positions,
            self.max_seq_len,
            self.max_sequence_length,
            self.seq_length,
            self.text_config.context if self.text_config else None,
        )
        return next((limit for limit in limits if limit is not None and limit > 0), None)


def describe_language(model: "ov.Model", context: int | None = None) -> Language:
    """Return the vocabulary of `model`, with its `context` in tokens, and check its inputs.

    Raises:
        ModelError: it has an input that autotp can't fill, or the size of its vocabulary is unknown.
    """
    names = [set(port.get_names()) for port in model.inputs]
    if unknown := [min(known) for known in names if not known & INPUTS]:
        raise ModelError(
            f"The language model has an input {unknown[0]!r}, which autotp can't fill: "
            f"it knows {', '.join(sorted(INPUTS))}."
        )
    if not any(TOKENS in known for known in names):
        raise ModelError(f"The language model has no input {TOKENS!r}, so it can't read tokens.")
    shape = logits_port(model).partial_shape
    if shape.rank.is_dynamic or len(shape) != 3 or shape[2].is_dynamic:
        raise ModelError(
            f"The language model's logits have the shape {shape}, so the size of its vocabulary is unknown."
        )
    return Language(shape[2].get_length(), context)


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

    None if there is no such file or it doesn't say.

    Raises:
        ModelError: the config.json can't be read.
    """
    path = model.with_name("config.json")
    if not path.is_file():
        return None
    try:
        limits = msgspec.json.decode(path.read_bytes(), type=_Limits)
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} isn't JSON in which the lengths of contexts are whole numbers.") from error
    return limits.context


def logits_port(model: "ov.Model | ov.CompiledModel") -> "ov.Output":
    """Return the output called `logits`, or the first output if none is."""
    named = [port for port in model.outputs if LOGITS in port.get_names()]
    return (named or model.outputs)[0]
