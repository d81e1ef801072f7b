"""How a language model is recognised and described, and that it computes its last logits only."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.errors import ModelError
from autotp.runtime.compile import inspect_model
from autotp.runtime.models.language import Language, context_limit, describe_language, keep_last_logits
from autotp.runtime.models.model_files import ModelKind, locate
from tests.support.language_models import (
    HIDDEN,
    VOCABULARY,
    build,
    embeddings_language_model,
    language_model,
    sentence_encoder,
    speech_decoder,
)
from tests.support.models import matmul_model


def test_a_folder_with_state_and_beams_holds_a_language_model(tmp_path: Path) -> None:
    """No flag is needed: the graph shows it; its inputs stay dynamic, its vocabulary is known."""
    files = locate(language_model(tmp_path / "llm"))
    assert (files.kind, files.path.name) == (ModelKind.LLM, "openvino_model.xml")
    info = inspect_model(files, {})
    assert info.language == Language(VOCABULARY)
    assert {port.name: port.shape for port in info.inputs} == {
        "input_ids": (), "attention_mask": (), "position_ids": (), "beam_idx": (),
    }  # fmt: skip


def test_any_other_ir_is_none(tmp_path: Path) -> None:
    """A model without state is an IR like any other, in whatever folder."""
    files = locate(matmul_model(tmp_path))
    assert files.kind is ModelKind.IR
    assert inspect_model(files, {}).language is None


def test_no_shape_can_be_set(tmp_path: Path) -> None:
    """The shapes of a language model follow from its prompts."""
    with pytest.raises(ModelError, match="its shapes can't be set"):
        inspect_model(locate(language_model(tmp_path)), {"input_ids": (1, 8)})


def test_inputs_that_cannot_be_filled_are_named() -> None:
    """A model that takes embeddings, or pictures, can't be driven with tokens."""
    model = build()
    extra = ops.parameter([-1, 3], np.float32, name="pixel_values")
    extra.output(0).set_names({"pixel_values"})
    model.add_parameters([extra])
    with pytest.raises(ModelError, match="input 'pixel_values', which autotp can't fill"):
        describe_language(model)


def test_a_model_without_token_ids_is_refused() -> None:
    """Where only positions and beams go in, there is nothing to say."""
    model = build()
    model.inputs[0].get_tensor().set_names({"position_ids"})
    with pytest.raises(ModelError, match="no input 'input_ids'"):
        describe_language(model)


def test_a_model_that_may_be_fed_otherwise_says_why_it_is_no_language_model(tmp_path: Path) -> None:
    """Without shapes, a decoder with beams and state is told why it gets no prompts, and what to give instead."""
    for make, why in (
        (speech_decoder, "an input 'encoder_hidden_states', which autotp can't fill"),
        (embeddings_language_model, "an input 'inputs_embeds', which autotp can't fill"),
        (sentence_encoder, "so the size of its vocabulary is unknown"),
    ):
        with pytest.raises(ModelError, match=f"{why}.* Give the shape to tune for, for example with shapes="):
            inspect_model(locate(make(tmp_path / make.__name__)), {})


def test_with_shapes_a_decoder_is_a_model_with_state(tmp_path: Path) -> None:
    """Its inputs are static then, and it is no language model, though a config.json lies beside it."""
    shapes = {"input_ids": (1, 2), "encoder_hidden_states": (1, 5, HIDDEN), "beam_idx": (1,)}
    info = inspect_model(locate(speech_decoder(tmp_path)), shapes)
    assert info.language is None
    assert {port.name: port.shape for port in info.inputs} == shapes


def test_a_vocabulary_that_is_not_told_is_refused() -> None:
    """Tokens can't be made up without knowing how many there are."""
    tokens = ops.parameter([-1, -1, -1], np.float32, name="input_ids")
    tokens.output(0).set_names({"input_ids"})
    model = ov.Model([ops.relu(tokens)], [tokens], "open")
    with pytest.raises(ModelError, match="so the size of its vocabulary is unknown"):
        describe_language(model)


@pytest.mark.parametrize("capped", [False, True], ids=["plain", "capped"])
def test_the_head_is_computed_for_the_last_position_alone(capped: bool) -> None:
    """Its logits are those that the whole head has there; bias and soft capping after it stay."""
    model = _capped(build()) if capped else build()
    inputs = {
        "input_ids": np.array([[3, 5, 8, 13]]),
        "attention_mask": np.ones((1, 4), np.int64),
        "position_ids": np.arange(4)[np.newaxis],
        "beam_idx": np.zeros(1, np.int32),
    }
    core = ov.Core()
    whole = next(iter(core.compile_model(model, "CPU")(inputs).values()))
    keep_last_logits(model)
    last = next(iter(core.compile_model(model, "CPU")(inputs).values()))
    assert (whole.shape, last.shape) == ((1, 4, VOCABULARY), (1, 1, VOCABULARY))
    np.testing.assert_allclose(last[:, 0], whole[:, -1], rtol=1e-5, atol=1e-5)


def test_a_graph_that_ends_otherwise_stays_as_it_is() -> None:
    """Where no head is found, logits of all positions come out; the last ones are read."""
    model = build()
    result = model.get_results()[0]
    shuffled = ops.softmax(result.input_value(0), 1)
    result.input(0).replace_source_output(shuffled.output(0))
    before = len(model.get_ops())
    keep_last_logits(model)
    assert len(model.get_ops()) == before


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ('{"max_position_embeddings": 8192, "vocab_size": 5}', 8192),
        ('{"n_positions": 1024}', 1024),
        ('{"max_position_embeddings": null, "seq_length": 2048}', 2048),
        ('{"text_config": {"max_position_embeddings": 4096}, "vision_config": {}}', 4096),
        ('{"model_type": "mamba"}', None),
        (None, None),
    ],
    ids=["llama", "gpt2", "chatglm", "seeing", "none", "no file"],
)
def test_the_context_is_bounded_by_the_config(tmp_path: Path, text: str | None, limit: int | None) -> None:
    """Under whichever name the family has for it; without a config.json nothing is known."""
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert context_limit(tmp_path / "openvino_model.xml") == limit


@pytest.mark.parametrize(
    ("content", "limit"),
    [
        (b'{"time_step_limit": [0.0, Infinity], "scale": NaN, "max_position_embeddings": 4096}', 4096),
        (b'\xef\xbb\xbf{"max_position_embeddings": 4096}', 4096),
        ('{"max_position_embeddings": 4096}'.encode("utf-16"), 4096),
        (b'{"max_position_embeddings": 4096.0}', 4096),
        (b'{"max_position_embeddings": "many", "n_positions": 512}', 512),
        (b'{"max_position_embeddings": Infinity}', None),
        (b'{"max_position_embeddings": NaN}', None),
        (b'{"max_position_embeddings": 1e30}', None),
        (b'{"max_position_embeddings": 1%s}' % (b"0" * 5000), None),
        (b'{"max_position_embeddings": true}', None),
        (b'{"max_position_embeddings": 0.5}', None),
        (b'{"max_position_embeddings": -1}', None),
        (b'{"max_position_embeddings": [4096], "text_config": "gone"}', None),
        (b'{"n_positions": "\xff"}', None),
        (b"{", None),
        (b"[]", None),
        (b"", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_limit_that_cannot_be_read_is_unknown(tmp_path: Path, content: bytes, limit: int | None) -> None:
    """What Python writes as JSON is read, too; the model runs without the file, so nothing in it is an error."""
    (tmp_path / "config.json").write_bytes(content)
    assert context_limit(tmp_path / "openvino_model.xml") == limit


def test_a_config_that_is_a_folder_says_nothing(tmp_path: Path) -> None:
    """A folder called config.json is no error, either."""
    (tmp_path / "config.json").mkdir()
    assert context_limit(tmp_path / "openvino_model.xml") is None


def _capped(model: ov.Model) -> ov.Model:
    """Return `model` with a bias and soft capping after its head, as Gemma has it."""
    result = model.get_results()[0]
    bias = ops.constant(np.linspace(-1, 1, VOCABULARY, dtype=np.float32))
    scaled = ops.divide(ops.add(result.input_value(0), bias), ops.constant(np.float32(HIDDEN)))
    capped = ops.multiply(ops.tanh(scaled), ops.constant(np.float32(HIDDEN)))
    result.input(0).replace_source_output(capped.output(0))
    model.validate_nodes_and_infer_types()
    return model
