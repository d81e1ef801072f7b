"""What a worker drives a language model with, on the real OpenVINO."""

from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from autotp.measuring.outputs.error import compare_outputs
from autotp.measuring.outputs.reference import save_outputs
from autotp.measuring.workload import token_driver
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.token_driver import CHECKED_TOKENS, FEWEST_CHECKED, TokenBlock, TokenDriver
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import locate
from tests.support.language_models import VOCABULARY, language_model

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
ASKED = Generation(prompt_tokens=24, new_tokens=16, batch=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small language model."""
    return language_model(tmp_path_factory.mktemp("llm"))


def driver(folder: Path, generation: Generation = ASKED) -> TokenDriver:
    """Return what drives the model in `folder`."""
    plan = Plan(files=locate(folder), shapes={}, properties=EXACT, nireq=1, attention=generation.attention)
    return TokenDriver(compile_plan(plan), generation)


def test_a_block_times_each_token(folder: Path) -> None:
    """One time for the prompt and one for each further token; the rate counts those of all sequences."""
    block = driver(folder)._time(TokenBlock(prompt=24, tokens=8, first=True))
    assert (len(block.first_tokens_s), len(block.second_tokens_s), block.latencies_s) == (1, 8, ())
    assert block.count == 8 * 3
    assert block.elapsed_s == pytest.approx(sum(block.second_tokens_s))
    assert min(*block.first_tokens_s, *block.second_tokens_s) > 0


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's clock goes on by a second each time it is read."""
    monkeypatch.setattr(token_driver, "perf_counter", count().__next__)


def reads_of(driven: TokenDriver, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens `driven` reads at once, from now on."""
    read, real = list[int](), driven._generator.read

    def recorded(tokens: Any) -> float:
        read.append(tokens.shape[1])
        return float(real(tokens))

    monkeypatch.setattr(driven._generator, "read", recorded)
    return read


@pytest.mark.usefixtures("ticking")
def test_first_tokens_alone_are_timed_for_a_while(folder: Path) -> None:
    """The prompt is read anew until the time is up, and what is timed is that."""
    block = driver(folder)._time(TokenBlock(prompt=24, first=True, first_s=4.0))
    assert len(block.first_tokens_s) == 4
    assert block.count == 3 * len(block.first_tokens_s)
    assert block.elapsed_s == pytest.approx(sum(block.first_tokens_s))
    assert block.second_tokens_s == ()


def test_a_block_is_what_the_generation_makes_of_it(folder: Path) -> None:
    """The third block of a process times the prompt, and eight tokens at the third place of the generation."""
    driven = driver(folder, Generation(prompt_tokens=24, new_tokens=32))
    block = driven.block(Run(number=2))
    assert (len(block.first_tokens_s), len(block.second_tokens_s)) == (1, 8)
    assert driven._generator.position == 24 + 3 * 8


@pytest.mark.parametrize(("context", "tokens"), [(None, 1024), (1000, 512), (575, 256), (192, 128)])
def test_the_longest_prompt_that_is_read_in_time_is_chosen(
    tmp_path: Path, context: int | None, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the new tokens it must fit into the context; here any length is read in time."""
    monkeypatch.setattr(token_driver, "PROMPT_WITHIN_S", 60.0)
    driven = driver(language_model(tmp_path, context=context), Generation(new_tokens=64))
    assert driven.choose() == {"prompt_tokens": tokens}


def test_the_shortest_is_chosen_where_none_is_read_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model too slow for any of them has to be measured all the same."""
    monkeypatch.setattr(token_driver, "PROMPT_WITHIN_S", 0.0)
    assert driver(folder, Generation(new_tokens=64)).choose() == {"prompt_tokens": 128}


def test_the_context_is_read_again_only_where_it_is_another(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bursts that follow one another go on; a repeated one reads its context untimed, the last token as a step."""
    driven = driver(folder)
    read = reads_of(driven, monkeypatch)
    begun, amid = TokenBlock(prompt=24, tokens=4), TokenBlock(prompt=27, steps=1, tokens=4)
    both = TokenBlock(prompt=24, ahead=3, steps=1, tokens=4, first=True)
    for burst in (begun, amid, amid, begun, both):
        assert len(driven._time(burst).second_tokens_s) == 4
    ones = [1] * 4
    assert read == [24, *ones, *ones, 27, 1, *ones, 24, *ones, 24, 3, 1, *ones]


@pytest.mark.usefixtures("ticking")
def test_a_lead_in_reads_the_context_untimed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a CPU quota it uses up what the period has left."""
    driven = driver(folder)
    read = reads_of(driven, monkeypatch)
    block = driven._time(TokenBlock(prompt=24, tokens=2, lead_in_s=4.0))
    assert read == [24, 24, 24, 1, 1]
    assert (block.first_tokens_s, len(block.second_tokens_s)) == ((), 2)
    assert block.elapsed_s == pytest.approx(sum(block.second_tokens_s))


@pytest.mark.usefixtures("ticking")
def test_inferences_for_the_watcher_never_end(folder: Path) -> None:
    """They begin anew where the tokens end; one is the least."""
    driven = driver(folder, Generation(prompt_tokens=1, new_tokens=1))
    assert driven.infer(0.0) == 1
    assert driven.infer(200.0) == 200  # more than there are after the prompt that is checked


def test_outputs_are_held_against_what_the_reference_says(folder: Path, tmp_path: Path) -> None:
    """The reference's own tokens are read, so that each step is judged; the same model is exact, another isn't."""
    reference = tmp_path / "reference.npz"
    chosen = driver(folder).outputs(None)
    save_outputs(reference, chosen)
    assert (chosen[0]["tokens"].shape, chosen[0]["logits"].shape) == (
        (CHECKED_TOKENS,),
        (CHECKED_TOKENS, VOCABULARY),
    )
    deciding = driver(folder).deciding
    same = compare_outputs(reference, driver(folder).outputs(reference), deciding)
    assert (same.max_abs_error, same.derived) == (0.0, {"tokens": 0.0})
    reseeded = driver(folder, msgspec.structs.replace(ASKED, seed=1))
    other = compare_outputs(reference, reseeded.outputs(reference), deciding)
    assert other.max_abs_error > 0.1
    assert 0 < other.derived["tokens"] <= 1


def test_of_a_slow_model_fewer_tokens_are_checked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least eight, by every arm as many as by the reference, however long an arm takes."""
    monkeypatch.setattr(token_driver, "CHECKED_WITHIN_S", 0.0)
    reference = tmp_path / "reference.npz"
    save_outputs(reference, driver(folder).outputs(None))
    (found,) = driver(folder).outputs(reference)
    assert found["tokens"].shape == (FEWEST_CHECKED,)
    assert compare_outputs(reference, (found,), driver(folder).deciding).max_abs_error == 0.0


def test_outputs_of_a_batch_are_those_of_one_of_its_sequences(folder: Path, tmp_path: Path) -> None:
    """It's the last one, the same whatever the batch, and the others read something else beside it."""
    reference = tmp_path / "reference.npz"
    save_outputs(reference, driver(folder, Generation(batch=1)).outputs(None))
    five = driver(folder, Generation(batch=5))
    found = compare_outputs(reference, five.outputs(reference), five.deciding)
    assert found.derived == {"tokens": 0.0}
    assert found.max_abs_error < 1e-4


def test_pages_are_driven_like_state(tmp_path: Path) -> None:
    """The same blocks are timed, and the outputs are those of the model with state."""
    folder, reference = language_model(tmp_path, attentive=True), tmp_path / "reference.npz"
    asked = Generation(prompt_tokens=24, new_tokens=16, batch=2)
    save_outputs(reference, driver(folder, asked).outputs(None))
    paged = driver(folder, msgspec.structs.replace(asked, attention_backend=Attention.PA))
    block = paged._time(TokenBlock(prompt=24, steps=1, tokens=8, first=True))
    assert (len(block.first_tokens_s), len(block.second_tokens_s), block.count) == (1, 8, 16)
    assert compare_outputs(reference, paged.outputs(reference), paged.deciding).derived == {"tokens": 0.0}
    assert paged.infer(0.01) > 0


def test_nothing_is_read_beyond_the_context(tmp_path: Path) -> None:
    """A model that attends to 40 tokens is checked within them."""
    driven = driver(language_model(tmp_path, context=40), Generation(prompt_tokens=8, new_tokens=8))
    (chosen,) = driven.outputs(None)
    assert chosen["tokens"].shape == (20,)
    assert driven.infer(0.01) > 0
    assert driven._generator.position <= 40


def test_tokens_follow_from_the_seed(folder: Path) -> None:
    """The same seed reads the same tokens, whatever their number; sequences of a batch differ."""
    short, long, other = (
        driver(folder, Generation(seed=seed, prompt_tokens=tokens, batch=2))._tokens
        for tokens, seed in ((50, 0), (90, 0), (50, 1))
    )
    np.testing.assert_array_equal(short, long[:, : short.shape[1]])
    assert (short != other).any()
    assert (short[0] != short[1]).any()
    assert short.min() >= 0
    assert short.max() < VOCABULARY
