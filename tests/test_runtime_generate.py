"""A generation on the real OpenVINO: what is read at once or token by token comes to the same."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime import Generator, Plan, compile_plan, locate
from tests.language_models import VOCABULARY, build, language_model

PROMPT = np.array([[2, 7, 1, 8, 2, 8], [3, 1, 4, 1, 5, 9]])


EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """One request of a small language model."""
    files = locate(language_model(tmp_path_factory.mktemp("llm")))
    return Generator(compile_plan(Plan(files=files, shapes={}, properties=EXACT, nireq=1)).compiled_model)


def test_logits_are_found_by_their_name(generator: Generator) -> None:
    """A model that gives something else first is read by what it calls logits."""
    model = build()
    (logits,) = model.get_results()
    model.add_results([ops.result(ops.negative(logits.input_value(0)), name="hidden_states")])
    other = ov.Model([model.get_results()[1], logits], model.get_sinks(), model.get_parameters(), "two")
    other.outputs[0].get_tensor().set_names({"hidden_states"})
    read = Generator(ov.Core().compile_model(other, "CPU", EXACT))
    for one in (read, generator):
        one.forget()
        one.read(PROMPT)
    np.testing.assert_allclose(read.logits, generator.logits, rtol=1e-4, atol=1e-4)


def test_a_prompt_may_be_read_at_once_or_token_by_token(generator: Generator) -> None:
    """Both give the same logits, for each sequence of a batch those of its own."""
    generator.forget()
    generator.read(PROMPT)
    at_once = generator.logits
    generator.forget()
    for index in range(PROMPT.shape[1]):
        generator.read(PROMPT[:, index : index + 1])
    assert generator.position == PROMPT.shape[1]
    assert at_once.shape == (2, VOCABULARY)
    np.testing.assert_allclose(generator.logits, at_once, rtol=1e-4, atol=1e-4)
    assert np.abs(at_once[0] - at_once[1]).max() > 0.1


def test_what_was_read_counts_until_it_is_forgotten(generator: Generator) -> None:
    """The same token after another context has other logits, and after none the first ones."""
    generator.forget()
    generator.read(PROMPT[:1, :1])
    first = generator.logits
    generator.read(PROMPT[:1, :1])
    assert np.abs(generator.logits - first).max() > 0.1
    generator.forget()
    generator.read(PROMPT[:1, :1])
    np.testing.assert_array_equal(generator.logits, first)


def test_it_says_the_likeliest_tokens(generator: Generator) -> None:
    """Each is the largest of its logits, and is read for the next; forced ones are read instead."""
    tokens = np.pad(PROMPT[:1], ((0, 0), (0, 5)))
    said, logits = generator.continued(tokens, PROMPT.shape[1])
    assert logits.shape == (5, VOCABULARY)
    np.testing.assert_array_equal(said, logits.argmax(axis=1))
    assert generator.position == PROMPT.shape[1] + 4
    again, same = generator.continued(tokens, PROMPT.shape[1], forced=said)
    np.testing.assert_array_equal(again, said)
    np.testing.assert_array_equal(same, logits)
    other, _ = generator.continued(tokens, PROMPT.shape[1], forced=(said + 1) % VOCABULARY)
    assert other[0] == said[0]
    assert list(other) != list(said)
