"""What a language model is asked for, checked before anything is started, and what each of its blocks holds."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import METRICS, Metric, Samples
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.generation import BURST_TOKENS, Generation
from autotp.measuring.workload.token_driver import TokenBlock
from autotp.measuring.workload.workload import Run, Wanted
from autotp.options import Spelling, spelled_for
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles, locate
from autotp.space.knobs.config import Config
from tests.support.language_models import language_model

FIRST, SECOND = METRICS["first_token_latency"], METRICS["second_token_latency"]
FURTHER = Generation(prompt_tokens=100, new_tokens=32, timed=(Samples.SECOND_TOKENS,))


def asked(files: ModelFiles, *metrics: Metric, bounded: tuple[Metric, ...] = (), **given: Any) -> Generation:
    """The generation of a call for these metrics with these options."""
    return Generation.of(files, Wanted(metrics, bounded, 10.0), given)


def test_what_is_asked_is_taken(tmp_path: Path) -> None:
    """Whatever is left out is as usual."""
    files = locate(language_model(tmp_path))
    found = asked(files, prompt_tokens=77, batch=4, seed=3)
    assert found == Generation(seed=3, prompt_tokens=77, new_tokens=128, batch=4)


def test_the_attention_is_that_of_where_it_is_deployed(tmp_path: Path) -> None:
    """State unless pages are asked for, and there are no others."""
    files = locate(language_model(tmp_path))
    found = [asked(files, attention_backend=word) for word in (None, "SDPA", "pa")]
    assert [generation.attention for generation in found] == ["SDPA", "SDPA", "PA"]
    with pytest.raises(InputError, match="no attention backend 'flash'; there are SDPA and PA"):
        asked(files, attention_backend="flash")


def test_the_objectives_say_which_tokens_are_timed(tmp_path: Path) -> None:
    """One of them alone, or both where both are asked about, or nothing is; constraints are about them, too."""
    files, rate = locate(language_model(tmp_path)), METRICS["tokens_per_s"]
    timed = [asked(files, *metrics) for metrics in ([FIRST], [SECOND, rate], [rate, FIRST], [])]
    first, second, both = (Samples.FIRST_TOKENS,), (Samples.SECOND_TOKENS,), Generation.samples
    assert [generation.timed for generation in timed] == [first, second, both, both]
    assert timed[1] == Generation(new_tokens=128, batch=1, timed=second)
    assert asked(files, SECOND, bounded=(FIRST,)).timed == both
    assert asked(files, SECOND, bounded=(METRICS["memory"],)).timed == second


@pytest.mark.parametrize("given", [{"batch": 0}, {"prompt_tokens": -1}, {"new_tokens": 10**9}])
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    """Before a process is started, with the option's name as the caller spells it."""
    files, (name,) = locate(language_model(tmp_path)), given
    with pytest.raises(InputError, match=f"^{name} must be from 1 to 1000000"):
        asked(files, **given)
    flag = "--" + name.replace("_", "-")
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=f"^{flag} must be from 1 to 1000000"):
        asked(files, **given)


def test_a_prompt_beyond_the_context_is_refused(tmp_path: Path) -> None:
    """The text says what was asked for, what the model allows, and who says so; without a limit all is allowed."""
    files = locate(language_model(tmp_path / "bounded", context=256))
    with pytest.raises(InputError, match=r"A prompt of 200 tokens and 128 new ones .* config\.json allows 256"):
        asked(files, prompt_tokens=200)
    assert asked(files, prompt_tokens=200, new_tokens=56).new_tokens == 56
    with pytest.raises(InputError, match="A prompt of 128 tokens and 129 new ones"):
        asked(files, new_tokens=129)
    assert asked(locate(language_model(tmp_path / "open")), prompt_tokens=10**6).prompt_tokens == 10**6


def test_a_generation_is_one_request() -> None:
    """Whatever a config or the objectives say."""
    for config in (Config(), Config.of({"nireq": 4})):
        assert Generation().nireq(config, (METRICS["tokens_per_s"],)) == 1


def test_what_is_tried_first_changes_one_thing_at_a_time() -> None:
    """It generates in one request, and a precision isn't the only thing that is tried first."""
    found = [Config.of(settings) for settings in Generation().first_settings(cores=16, sockets=2)]
    assert Config.of({"distribution_policy": "tensor_parallel", "split_count": 2}) == found[0]
    assert Config.of({"inference_precision_hint": "f32"}) in found
    assert sum(config.get("inference_precision_hint") is None for config in found) > 2
    assert all(config.count("nireq") is None for config in found)


def test_a_config_may_set_the_sequences_at_once() -> None:
    """Its knob goes before what was asked for; without the knob nothing changes."""
    batched = Generation(batch=2)
    assert batched.for_config(Config.of({"batch": 8})) == Generation(batch=8)
    assert batched.for_config(Config.of({"nireq": 8})) is batched


def test_a_prompt_is_open_until_it_is_chosen() -> None:
    """A length that is asked for isn't chosen again."""
    assert (Generation().open_fields, Generation(prompt_tokens=9).open_fields) == (("prompt_tokens",), ())
    assert Generation(new_tokens=7).with_chosen({"prompt_tokens": 256}) == Generation(
        prompt_tokens=256, new_tokens=7
    )


@pytest.mark.parametrize(
    ("context", "lengths"), [(2000, [128, 256, 512, 1024]), (1000, [128, 256, 512]), (192, [128])]
)
def test_prompts_fit_into_the_context_with_the_new_tokens(context: int, lengths: list[int]) -> None:
    """Of the usual lengths only those are tried."""
    assert Generation(new_tokens=64).fitting_prompts(context) == lengths


def test_a_turn_is_what_is_timed_of_a_block() -> None:
    """However many sequences are in flight: they are read together."""
    assert FURTHER.turn_s(Block(count=16, elapsed_s=0.08, second_tokens_s=(0.01,) * 8), in_flight=4) == 0.08


def test_the_latency_that_nobody_asked_about_may_be_what_a_gain_costs() -> None:
    """Of the two tokens' latencies, those that the objectives aren't about."""
    generation, rate = Generation(), METRICS["tokens_per_s"]
    assert generation.at_risk((FIRST,)) == (SECOND,)
    assert generation.at_risk((SECOND,)) == generation.at_risk((rate,)) == (FIRST,)
    assert generation.at_risk((FIRST, rate)) == ()


def test_it_says_what_it_is() -> None:
    """In words for people, and in what tuned.yaml holds."""
    paged = Generation(prompt_tokens=64, new_tokens=32, batch=4, attention_backend=Attention.PA)
    assert FURTHER.description == "prompts of 100 tokens, 32 new ones each"
    assert paged.description == "prompts of 64 tokens, 32 new ones each, 4 at once, paged attention"
    assert paged.kind(1) is Loop.GENERATE
    assert paged.facts() == {
        "seed": 0, "prompt_tokens": 64, "new_tokens": 32, "batch": 4, "attention_backend": "PA"
    }  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [{"prompt_tokens": 8}, {"new_tokens": 8}, {"batch": 2}, {"attention_backend": Attention.PA}, {"timed": ()}],
)
def test_figures_are_comparable_where_the_work_is_the_same(changed: dict[str, Any]) -> None:
    """Any other work is another identity."""
    assert msgspec.structs.replace(FURTHER, **changed).identity() != FURTHER.identity()
    assert msgspec.structs.replace(FURTHER).identity() == FURTHER.identity()


def burst(
    generation: Generation, number: int, *, bursts: int = 1, first_s: float = 0.0, lead_in_s: float = 0.0
) -> TokenBlock:
    """Block `number` of `generation`."""
    return generation.burst(Run(number=number, amount=bursts, duration_s=first_s, lead_in_s=lead_in_s))


def test_blocks_of_further_tokens_follow_one_another() -> None:
    """Bursts of eight go through the generation, then begin it anew: a number always means the same place.

    The first follows its prompt, which is timed, too; those amid a generation follow a step of it.
    """
    bursts = [burst(FURTHER, number) for number in range(9)]
    assert [one.context for one in bursts] == [100, 108, 116, 124, 100, 108, 116, 124, 100]
    assert [(one.steps, one.first) for one in bursts[:5]] == [(0, True), *[(1, False)] * 3, (0, True)]
    assert {one.tokens for one in bursts} == {BURST_TOKENS}
    assert all(later.context == earlier.context + earlier.tokens for earlier, later in pairwise(bursts[:4]))


def test_blocks_of_first_tokens_read_prompts_for_a_while() -> None:
    """Short ones are read several times; only the first block of sixteen decodes, so that this is known, too."""
    first = Generation(prompt_tokens=100, timed=(Samples.FIRST_TOKENS,))
    assert burst(first, 7, first_s=0.05) == TokenBlock(prompt=100, first=True, first_s=0.05)
    begun = TokenBlock(prompt=100, steps=1, tokens=BURST_TOKENS, first=True, first_s=0.05)
    assert burst(first, 0, first_s=0.05) == burst(first, 16, first_s=0.05) == begun


def test_both_are_timed_in_one_block() -> None:
    """Each block times the prompt, and the same tokens as where they alone are asked for."""
    both = Generation(prompt_tokens=100, new_tokens=32)
    assert burst(both, 0) == burst(FURTHER, 0)
    amid = TokenBlock(prompt=100, ahead=15, steps=1, tokens=BURST_TOKENS, first=True)
    assert burst(both, 2, first_s=0.05) == amid
    contexts = [[burst(timed, number).context for number in range(9)] for timed in (both, FURTHER)]
    assert contexts[0] == contexts[1]
    assert burst(both, 0, bursts=99) == TokenBlock(prompt=100, tokens=32, first=True)


@pytest.mark.parametrize(
    ("new_tokens", "bursts", "tokens"), [(3, 1, 3), (32, 3, 24), (32, 9, 32)], ids=["few", "several", "most"]
)
def test_a_block_holds_no_more_tokens_than_a_generation(new_tokens: int, bursts: int, tokens: int) -> None:
    """Under a CPU quota blocks are several bursts, but never beyond the tokens asked for."""
    generation = Generation(prompt_tokens=10, new_tokens=new_tokens, timed=(Samples.SECOND_TOKENS,))
    found = burst(generation, 5, bursts=bursts)
    assert found.tokens == tokens
    assert 10 <= found.context <= 10 + new_tokens - tokens


def test_a_warm_up_reads_each_prompt_once() -> None:
    """It has nothing to wait for: neither a lead-in nor a time to fill with prompts."""
    first = Generation(prompt_tokens=100, timed=(Samples.FIRST_TOKENS,))
    warming = Run(number=1, duration_s=0.05, lead_in_s=0.1, flat_out=True)
    assert first.burst(warming) == TokenBlock(prompt=100, first=True)
