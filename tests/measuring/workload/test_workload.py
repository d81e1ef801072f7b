"""What a language model is asked for, block by block."""

from itertools import pairwise

import pytest

from autotp.measuring.workload.generation import BURST_TOKENS, Generation
from autotp.measuring.workload.workload import Generate, Token, Workload

SECOND = Generation(prompt_tokens=100, new_tokens=32, timed=(Token.SECOND,))


def test_blocks_of_further_tokens_follow_one_another() -> None:
    """Bursts of eight go through the generation, then begin it anew: a number always means the same place.

    The first follows its prompt, which is timed, too; those amid a generation follow a step of it.
    """
    bursts = [SECOND.burst(number) for number in range(9)]
    assert [burst.context for burst in bursts] == [100, 108, 116, 124, 100, 108, 116, 124, 100]
    assert [(burst.steps, burst.first) for burst in bursts[:5]] == [(0, True), *[(1, False)] * 3, (0, True)]
    assert {burst.tokens for burst in bursts} == {BURST_TOKENS}
    assert all(later.context == earlier.context + earlier.tokens for earlier, later in pairwise(bursts[:4]))


def test_blocks_of_first_tokens_read_prompts_for_a_while() -> None:
    """Short ones are read several times; only the first block of sixteen decodes, so that this is known, too."""
    first = Generation(prompt_tokens=100, timed=(Token.FIRST,))
    assert first.burst(7, first_s=0.05) == Generate(prompt=100, first=True, first_s=0.05)
    begun = Generate(prompt=100, steps=1, tokens=BURST_TOKENS, first=True, first_s=0.05)
    assert first.burst(0, first_s=0.05) == first.burst(16, first_s=0.05) == begun


def test_both_are_timed_in_one_block() -> None:
    """Each block times the prompt, and the same tokens as where they alone are asked for."""
    both = Generation(prompt_tokens=100, new_tokens=32)
    assert both.burst(0) == SECOND.burst(0)
    amid = Generate(prompt=100, ahead=15, steps=1, tokens=BURST_TOKENS, first=True)
    assert both.burst(2, first_s=0.05) == amid
    contexts = [[asked.burst(number).context for number in range(9)] for asked in (both, SECOND)]
    assert contexts[0] == contexts[1]
    assert both.burst(0, bursts=99) == Generate(prompt=100, tokens=32, first=True)


@pytest.mark.parametrize(
    ("new_tokens", "bursts", "tokens"), [(3, 1, 3), (32, 3, 24), (32, 9, 32)], ids=["few", "several", "most"]
)
def test_a_block_holds_no_more_tokens_than_a_generation(new_tokens: int, bursts: int, tokens: int) -> None:
    """Under a CPU quota blocks are several bursts, but never beyond the tokens asked for."""
    generation = Generation(prompt_tokens=10, new_tokens=new_tokens, timed=(Token.SECOND,))
    burst = generation.burst(5, bursts=bursts)
    assert burst.tokens == tokens
    assert 10 <= burst.context <= 10 + new_tokens - tokens


def test_only_a_language_model_has_prompts() -> None:
    """Giving one to another workload is a mistake of ours."""
    assert Workload(generation=Generation()).prompted(256).generation == Generation(prompt_tokens=256)
    with pytest.raises(AssertionError, match="only a language model"):
        Workload().prompted(256)
