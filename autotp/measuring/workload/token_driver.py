"""Drives a language model through generations of seeded tokens, in the worker."""

from collections.abc import Collection, Mapping
from math import inf
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.findings.metric import Samples
from autotp.measuring.outputs.reference import NamedOutputs, load_outputs
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Compiled
from autotp.runtime.inference.generate import generator_of

if TYPE_CHECKING:
    from autotp.measuring.workload.generation import Generation

CHECKED_PROMPT, CHECKED_TOKENS = 32, 64
FEWEST_CHECKED, CHECKED_WITHIN_S = 8, 5.0  # of a slow model fewer tokens are checked, as each arm reads them
TOKENS, LOGITS = "tokens", "logits"
PROMPTS = (128, 256, 512, 1024)  # lengths to choose from where none is given
PROMPT_WITHIN_S = 0.5
READS = 2  # the first read of a length is slower, and the first token after a prompt


class TokenBlock(msgspec.Struct, frozen=True, kw_only=True):
    """What a block of a generation reads and times, in this order, for each sequence.

    Attributes:
        lead_in_s: for how long the prompt is read repeatedly before, untimed.
        prompt: how many tokens are read at once.
        first: whether reading the prompt is timed; if so, it is repeated for `first_s` seconds, at least once.
        first_s: see `first`.
        ahead: how many more tokens are read at once, untimed.
        steps: how many more tokens are read one by one, untimed.
        tokens: how many more tokens are read one by one, timed.

    What comes before the timed tokens is skipped if the model already has that context and `first` isn't set.
    """

    prompt: int
    ahead: int = 0
    steps: int = 0
    tokens: int = 0
    first: bool = False
    first_s: float = 0.0
    lead_in_s: float = 0.0

    @property
    def context(self) -> int:
        """How many tokens have been read when `tokens` begin."""
        return self.prompt + self.ahead + self.steps


class TokenDriver:
    """Reads seeded tokens as a generation would."""

    deciding: Collection[str] | None = (LOGITS,)

    def __init__(self, compiled: Compiled, generation: "Generation") -> None:
        assert compiled.info.language is not None, "only a language model generates"
        language = compiled.info.language
        longest = (generation.prompt_tokens or PROMPTS[-1]) + generation.new_tokens
        longest = max(longest, CHECKED_PROMPT + CHECKED_TOKENS)
        if language.context is not None:
            longest = min(longest, language.context)
        rows = reversed(range(generation.batch))  # so that the last sequence is the same for any batch
        self._tokens = np.stack([_seeded(language.vocabulary, longest, generation.seed, row) for row in rows])
        self._generation = generation
        self._checked_prompt = min(CHECKED_PROMPT, longest // 2)
        self._generator = generator_of(
            compiled.compiled_model, generation.attention_backend, generation.batch, longest
        )

    @property
    def copy_s(self) -> None:
        return None

    def outputs(self, reference: Path | None) -> NamedOutputs:
        forced = None if reference is None else load_outputs(reference)[f"0/{TOKENS}"]
        count = CHECKED_TOKENS if forced is None else len(forced)
        within_s = CHECKED_WITHIN_S if forced is None else inf
        tokens, prompt = self._tokens[:, : self._checked_prompt + count], self._checked_prompt
        chosen, logits = self._generator.continue_prompt(tokens, prompt, forced, FEWEST_CHECKED, within_s)
        return ({TOKENS: chosen, LOGITS: logits},)

    def infer(self, seconds: float) -> int:
        began, count = perf_counter(), 0
        self._read_prompt(self._checked_prompt)
        while count == 0 or perf_counter() < began + seconds:
            if self._generator.position == self._tokens.shape[1]:
                self._read_prompt(self._checked_prompt)
            self._next()
            count += 1
        return count

    def block(self, run: Run) -> Block:
        return self._time(self._generation.burst(run))

    def choose(self) -> Mapping[str, Any]:
        """Return the longest of the usual prompts that is read within half a second, or else the shortest."""
        longest, *longer = self._generation.fitting_prompts(self._tokens.shape[1])
        for tokens in longer:
            if min(self._read_prompt(tokens) for _ in range(READS)) > PROMPT_WITHIN_S:
                break
            longest = tokens
        return {"prompt_tokens": longest}

    def layer_s(self, samples: Samples) -> Mapping[str, float]:
        """Return those of reading a prompt or a later token; the first of each takes longer and isn't taken."""
        is_prompt = samples is Samples.FIRST_TOKENS
        for _ in range(READS if is_prompt else 1):
            self._read_prompt(self._generation.prompt_tokens or self._checked_prompt)
        for _ in range(0 if is_prompt else READS):
            self._next()
        return self._generator.layer_s

    def _time(self, wanted: TokenBlock) -> Block:
        self._lead_in(wanted)
        first_tokens_s = self._first_tokens(wanted) if wanted.first else []
        self._reach(wanted)
        second_tokens_s = [self._next() for _ in range(wanted.tokens)]
        timed_s = second_tokens_s or first_tokens_s
        return Block(
            count=len(timed_s) * len(self._tokens),
            elapsed_s=sum(timed_s),
            first_tokens_s=tuple(first_tokens_s),
            second_tokens_s=tuple(second_tokens_s),
        )

    def _lead_in(self, wanted: TokenBlock) -> None:
        began = perf_counter()
        while perf_counter() < began + wanted.lead_in_s:
            self._read_prompt(wanted.prompt)

    def _first_tokens(self, wanted: TokenBlock) -> list[float]:
        began = perf_counter()
        took_s = [self._read_prompt(wanted.prompt)]
        while perf_counter() < began + wanted.first_s:
            took_s.append(self._read_prompt(wanted.prompt))
        return took_s

    def _reach(self, wanted: TokenBlock) -> None:
        """Read the context of the tokens to be timed, unless the model already has it."""
        if not wanted.tokens or self._generator.position == wanted.context:
            return
        if self._generator.position != wanted.prompt:
            self._read_prompt(wanted.prompt)
        if wanted.ahead:
            self._read(wanted.prompt, wanted.prompt + wanted.ahead)
        for _ in range(wanted.steps):
            self._next()

    def _read_prompt(self, count: int) -> float:
        """Read the first `count` tokens at once; return how many seconds that took."""
        self._generator.reset()
        return self._read(0, count)

    def _next(self) -> float:
        return self._read(self._generator.position, self._generator.position + 1)

    def _read(self, first: int, end: int) -> float:
        return self._generator.read(self._tokens[:, first:end])


def _seeded(vocabulary: int, count: int, seed: int, row: int) -> NDArray[Any]:
    return np.random.default_rng((seed, row)).integers(0, vocabulary, count)
