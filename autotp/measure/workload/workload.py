"""What a model is driven with: how requests are issued, with which inputs, and what a language model is asked for.

A language model is judged by two figures whose best settings differ: the first token, for which the whole prompt
is read at once and which the CPU's arithmetic bounds, and each further one, which the bandwidth of memory does. A
block of the latter is a burst of tokens at the same place in the context for every arm, since attention takes
longer the more it has to read. The tokens that are fed come from the seed, not from what the model says: so all
arms do the same work, whatever they answer.
"""

from enum import StrEnum
from pathlib import Path

import msgspec

from autotp.runtime import Attention

NEW_TOKENS = 128
PROMPTS = (128, 256, 512, 1024)  # lengths to choose from where none is given
BURST_TOKENS = 8


class Token(StrEnum):
    """Which token of a generation is timed."""

    FIRST = "first"
    SECOND = "second"


class Generate(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Have `prompt` tokens of each sequence read at once, `ahead` more at once, and `steps` one by one.

    Then `tokens` more, timed. Reading the prompt is timed, too, where `first` says so, and is done anew for
    `first_s` seconds, at least once; where it's not, all before the timed ones is left out if that context is
    what was read last. `lead_in_s` is for how long the prompt is read again and again before. `begin_s` is when
    to begin on the monotonic clock (None: at once).
    """

    prompt: int
    ahead: int = 0
    steps: int = 0
    tokens: int = 0
    first: bool = False
    first_s: float = 0.0
    lead_in_s: float = 0.0
    begin_s: float | None = None

    @property
    def context(self) -> int:
        """How many tokens have been read when `tokens` begin."""
        return self.prompt + self.ahead + self.steps


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model is asked for: so many new tokens after each prompt of `batch` at once.

    `timed` are the tokens that the objectives are about; a `prompt_tokens` of None is still to be chosen.
    `attention_backend` is that of where it's deployed.
    """

    prompt_tokens: int | None = None
    new_tokens: int = NEW_TOKENS
    batch: int = 1
    attention_backend: Attention = Attention.SDPA
    timed: tuple[Token, ...] = (Token.FIRST, Token.SECOND)

    def burst(self, number: int, *, bursts: int = 1, first_s: float = 0.0, lead_in_s: float = 0.0) -> Generate:
        """Return block `number` of a process: the same work for every arm that is given the number.

        Bursts of tokens follow one another through the generation and then begin it anew. The first block of a
        generation times the prompt and tokens in any case, so that it's known what the config does to the one
        that wasn't asked for. OpenVINO is slower in the step after a prompt, which belongs to the generation
        once: blocks amid it begin after such a step, or every burst would have one.

        Args:
            number: counted from 0.
            bursts: how many bursts of tokens a block holds.
            first_s: for how long prompts are read where nothing else is timed.
            lead_in_s: untimed, before.
        """
        prompt, tokens = self.prompt_tokens or 0, min(BURST_TOKENS * bursts, self.new_tokens)
        done = tokens * (number % (self.new_tokens // tokens))
        amid = min(done, 1)
        if Token.SECOND not in self.timed:
            told, steps = (0, 0) if done else (tokens, min(self.new_tokens - tokens, 1))
            return Generate(
                prompt=prompt, steps=steps, tokens=told, first=True, first_s=first_s, lead_in_s=lead_in_s
            )
        if done and Token.FIRST not in self.timed:
            return Generate(prompt=prompt + done - amid, steps=amid, tokens=tokens, lead_in_s=lead_in_s)
        return Generate(
            prompt=prompt, ahead=done - amid, steps=amid, tokens=tokens, first=True, lead_in_s=lead_in_s
        )


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is driven with: samples from `data` (.npz), or made from `seed`; arrivals at `rate_per_s`.

    A language model is driven with a `generation` instead, of tokens made from `seed`.
    """

    seed: int = 0
    data: Path | None = None
    rate_per_s: float | None = None
    generation: Generation | None = None

    @property
    def attention(self) -> Attention:
        """That of a language model; of others it doesn't matter."""
        return self.generation.attention_backend if self.generation else Attention.SDPA

    @property
    def prompt_tokens(self) -> int | None:
        """How long the prompts of a language model are; None of others, or where it's still to be chosen."""
        return self.generation.prompt_tokens if self.generation else None

    def prompted(self, tokens: int) -> "Workload":
        """Return this of a language model, with prompts of so many tokens."""
        assert self.generation is not None, "only a language model has prompts"
        generation = msgspec.structs.replace(self.generation, prompt_tokens=tokens)
        return msgspec.structs.replace(self, generation=generation)

    def batched(self, batch: int | None) -> "Workload":
        """Return this of a language model with so many sequences at once; as it is where None."""
        if batch is None or self.generation is None:
            return self
        return msgspec.structs.replace(self, generation=msgspec.structs.replace(self.generation, batch=batch))

    def shared_by(self, instances: int) -> "Workload":
        """Return what each of `instances` gets: a Poisson process split evenly is several, each Poisson."""
        rate_per_s = None if self.rate_per_s is None else self.rate_per_s / instances
        return msgspec.structs.replace(self, rate_per_s=rate_per_s)
