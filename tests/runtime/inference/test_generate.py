"""A generation on the real OpenVINO: what is read at once or token by token comes to the same."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.generate import Generator, generator_of
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import locate
from tests.support.language_models import VOCABULARY, build, language_model

PROMPT = np.array([[2, 7, 1, 8, 2, 8], [3, 1, 4, 1, 5, 9]])


EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """One request of a small language model."""
    files = locate(language_model(tmp_path_factory.mktemp("llm")))
    compiled = compile_plan(Plan(files=files, shapes={}, properties=EXACT, nireq=1))
    return generator_of(compiled.compiled_model, Attention.SDPA, 2, 16)


def test_logits_are_found_by_their_name(generator: Generator) -> None:
    """A model that gives something else first is read by what it calls logits."""
    model = build()
    (logits,) = model.get_results()
    model.add_results([ops.result(ops.negative(logits.input_value(0)), name="hidden_states")])
    other = ov.Model([model.get_results()[1], logits], model.get_sinks(), model.get_parameters(), "two")
    other.outputs[0].get_tensor().set_names({"hidden_states"})
    read = generator_of(ov.Core().compile_model(other, "CPU", EXACT), Attention.SDPA, 2, 16)
    for one in (read, generator):
        one.reset()
        one.read(PROMPT)
    np.testing.assert_allclose(read.logits, generator.logits, rtol=1e-4, atol=1e-4)


def test_a_prompt_may_be_read_at_once_or_token_by_token(generator: Generator) -> None:
    """Both give the same logits, for each sequence of a batch those of its own."""
    generator.reset()
    generator.read(PROMPT)
    at_once = generator.logits
    generator.reset()
    for index in range(PROMPT.shape[1]):
        generator.read(PROMPT[:, index : index + 1])
    assert generator.position == PROMPT.shape[1]
    assert at_once.shape == (2, VOCABULARY)
    np.testing.assert_allclose(generator.logits, at_once, rtol=1e-4, atol=1e-4)
    assert np.abs(at_once[0] - at_once[1]).max() > 0.1


def test_what_was_read_counts_until_it_is_forgotten(generator: Generator) -> None:
    """The same token after another context has other logits, and after none the first ones."""
    generator.reset()
    generator.read(PROMPT[:1, :1])
    first = generator.logits
    generator.read(PROMPT[:1, :1])
    assert np.abs(generator.logits - first).max() > 0.1
    generator.reset()
    generator.read(PROMPT[:1, :1])
    np.testing.assert_array_equal(generator.logits, first)


def test_it_says_the_likeliest_tokens(generator: Generator) -> None:
    """Each is the largest of its logits, and is read for the next; forced ones are read instead."""
    tokens = np.pad(PROMPT[:1], ((0, 0), (0, 5)))
    said, logits = generator.continue_prompt(tokens, PROMPT.shape[1])
    assert logits.shape == (5, VOCABULARY)
    np.testing.assert_array_equal(said, logits.argmax(axis=1))
    assert generator.position == PROMPT.shape[1] + 4
    again, same = generator.continue_prompt(tokens, PROMPT.shape[1], forced=said)
    np.testing.assert_array_equal(again, said)
    np.testing.assert_array_equal(same, logits)
    few, first = generator.continue_prompt(tokens, PROMPT.shape[1], fewest=3, within_s=0.0)
    assert (few.tolist(), first.tolist()) == (said[:3].tolist(), logits[:3].tolist())
    other, _ = generator.continue_prompt(tokens, PROMPT.shape[1], forced=(said + 1) % VOCABULARY)
    assert other[0] == said[0]
    assert list(other) != list(said)


LONG = np.random.default_rng(0).integers(0, VOCABULARY, (3, 80))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[Attention, Generator]:
    """A model with OpenVINO's own attention, with its context as state and in pages, kept exactly."""
    files = locate(language_model(tmp_path_factory.mktemp("attentive"), attentive=True))
    properties = {**EXACT, "KV_CACHE_PRECISION": "f32"}
    plans = {
        attention: Plan(files=files, shapes={}, properties=properties, nireq=1, attention=attention)
        for attention in Attention
    }
    return {
        attention: generator_of(compile_plan(plan).compiled_model, attention, *LONG.shape)
        for attention, plan in plans.items()
    }


@pytest.mark.parametrize("prompt", [1, 31, 32, 33, 80])
def test_pages_hold_what_the_state_holds(both: dict[Attention, Generator], prompt: int) -> None:
    """Sequences of a batch have the same logits either way, within a block of the cache and across several."""
    for begin, end in [(0, prompt), *((index, index + 1) for index in range(prompt, LONG.shape[1]))]:
        for generator in both.values():
            if begin == 0:
                generator.reset()
            generator.read(LONG[:, begin:end])
        np.testing.assert_allclose(both[Attention.PA].logits, both[Attention.SDPA].logits, rtol=1e-4, atol=1e-4)


def test_both_say_the_same_tokens(both: dict[Attention, Generator]) -> None:
    """Of the last sequence of a batch, while the others read their own."""
    (said, logits), (same, alike) = (generator.continue_prompt(LONG, 40) for generator in both.values())
    np.testing.assert_array_equal(said, same)
    np.testing.assert_allclose(logits, alike, rtol=1e-4, atol=1e-4)
