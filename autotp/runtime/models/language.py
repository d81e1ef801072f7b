"""Language models: decoders that keep their context (the KV cache) as state, and what is done to them.

As optimum-intel and OpenVINO GenAI write them: token ids, a mask, positions and the order of beams go in, logits
of every position come out (https://docs.openvino.ai/2026/openvino-workflow-generative.html). Only those of the
last position say which token is next, and the head is often the largest layer; so GenAI has it computed for that
position alone, and so does this, or a prompt would take a good deal longer here than where it's deployed.
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
_EACH_POSITION = frozenset({"Convert", "Add", "Multiply", "Divide", "Tanh"})  # after the head: bias, soft capping
_LAST, _END = -1, 2**31 - 1


class Attention(StrEnum):
    """Where the context is kept, under the names of GenAI's `ATTENTION_BACKEND`: the model's state, or pages."""

    SDPA = "SDPA"
    PA = "PA"


class Language(msgspec.Struct, frozen=True):
    """How many tokens a language model knows, and how many it can attend to; None where that isn't known."""

    vocabulary: int
    context: int | None = None


class _Limits(msgspec.Struct, frozen=True):
    """What a Hugging Face config.json says of the context, under the names that model families use.

    Models that see or hear, too, say it of their decoder of text.
    """

    max_position_embeddings: int | None = None
    n_positions: int | None = None
    max_seq_len: int | None = None
    max_sequence_length: int | None = None
    seq_length: int | None = None
    text_config: "_Limits | None" = None

    @property
    def context(self) -> int | None:
        """How many tokens it can attend to."""
        said = (
            self.max_position_embeddings,
            self.n_positions,
            self.max_seq_len,
            self.max_sequence_length,
            self.seq_length,
            self.text_config.context if self.text_config else None,
        )
        return next((limit for limit in said if limit is not None and limit > 0), None)


def describe_language(model: "ov.Model", context: int | None = None) -> Language:
    """Return what drives `model`, which can attend to `context` tokens.

    Raises:
        ModelError: it takes other inputs than a decoder of text does, or doesn't tell its vocabulary.
    """
    names = [set(port.get_names()) for port in model.inputs]
    if unknown := [min(known) for known in names if not known & INPUTS]:
        raise ModelError(
            f"The language model has an input {unknown[0]!r}, which can't be filled here: "
            f"known are {', '.join(sorted(INPUTS))}."
        )
    if not any(TOKENS in known for known in names):
        raise ModelError(f"The language model has no input {TOKENS!r}, so it can't be given tokens.")
    shape = logits_port(model).partial_shape
    if shape.rank.is_dynamic or len(shape) != 3 or shape[2].is_dynamic:
        raise ModelError(
            f"The language model's logits are {shape}, which doesn't tell the size of its vocabulary."
        )
    return Language(shape[2].get_length(), context)


def keep_last_logits(model: "ov.Model") -> None:
    """Have `model` compute its head for the last position alone, where it ends as GenAI knows models to end."""
    import openvino.opset13 as ops

    if (head := head_of(model)) is None:
        return
    hidden = head.input_value(0)
    if hidden.partial_shape.rank.is_static and len(hidden.partial_shape) == 3:
        last = ops.slice(hidden, [_LAST], [_END], [1], [1])
        head.input(0).replace_source_output(last.output(0))
        model.validate_nodes_and_infer_types()


def head_of(model: "ov.Model") -> "ov.Node | None":
    """Return the MatMul that `model` ends in but for what is done to each position; None where it's none."""
    head = logits_port(model).get_node().input_value(0).get_node()
    while head.get_type_name() in _EACH_POSITION:
        head = head.input_value(0).get_node()
    return head if head.get_type_name() == "MatMul" else None


def context_limit(model: Path) -> int | None:
    """Return the most tokens that the model beside whose graph `model` a config.json lies can attend to.

    None where that isn't there or doesn't tell.

    Raises:
        ModelError: it can't be read.
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
    """Return the output `logits`, or the first one where none is called so."""
    named = [port for port in model.outputs if LOGITS in port.get_names()]
    return (named or model.outputs)[0]
