"""What a worker drives its compiled model with: inferences with their inputs set, or a generation of tokens.

Both answer the same: a timed block, inferences for the watcher of threads, and the outputs that the gate judges.
"""

from collections.abc import Collection
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from autotp.findings import Loop
from autotp.measure.outputs.gate import NamedOutputs, load_outputs
from autotp.measure.protocol import Block, Run
from autotp.measure.workload.closed_loop import drive
from autotp.measure.workload.open_loop import Schedule, drive_open
from autotp.measure.workload.workload import PROMPTS, Generate, Generation, Workload
from autotp.runtime import (
    Compiled,
    copy_seconds,
    create_requests,
    generator_of,
    infer_outputs,
    reset_states,
)
from autotp.runtime.inference.inputs import make_samples

CHECKED_PROMPT, CHECKED_TOKENS = 32, 64
SAID, LOGITS = "tokens", "logits"


class Driver(Protocol):
    """Drives one compiled model. `told` are the outputs that decide the others, all where None."""

    told: Collection[str] | None

    @property
    def copy_s(self) -> float | None:
        """How long copying a request's inputs in and outputs out takes; None where that isn't told."""

    def outputs(self, reference: Path | None) -> NamedOutputs:
        """Return the outputs to be judged, for a `reference` to hold them against."""

    def infer(self, seconds: float) -> int:
        """Run inferences one after the other for so long; return how many they were, at least one."""

    def block(self, request: Run | Generate) -> Block:
        """Run one block and return what was timed in it."""


def driver_of(compiled: Compiled, workload: Workload) -> Driver:
    """Return what drives `compiled` with `workload`.

    Raises:
        ModelError: its inputs can't be made.
    """
    if workload.generation is None:
        return _Inferences(compiled, workload)
    return _Tokens(compiled, workload.generation, workload.seed)


class _Inferences:
    """Requests with their inputs set, in a closed or an open loop."""

    told: Collection[str] | None = None

    def __init__(self, compiled: Compiled, workload: Workload) -> None:
        self._compiled = compiled
        self._rate_per_s = workload.rate_per_s
        samples = make_samples(compiled.info, workload.seed, workload.data, compiled.nireq)
        self._checked = samples.checked
        self._requests = create_requests(compiled, samples.driven)

    @property
    def copy_s(self) -> float:
        return copy_seconds(self._requests)

    def outputs(self, reference: Path | None) -> NamedOutputs:
        return infer_outputs(self._compiled, self._checked)

    def infer(self, seconds: float) -> int:
        return drive(self._requests, Loop.SYNC, seconds)[0]

    def block(self, request: Run | Generate) -> Block:
        assert isinstance(request, Run)
        reset_states(self._requests)  # a state that grows makes each inference slower than the one before
        if self._rate_per_s is None or request.flat_out:
            loop = Loop.of(len(self._requests.requests))
            count, elapsed_s, latencies_s = drive(self._requests, loop, request.duration_s, request.lead_in_s)
        else:
            schedule = Schedule.poisson(self._rate_per_s, request.duration_s, request.lead_in_s, request.seed)
            count, elapsed_s, latencies_s = drive_open(self._requests, schedule)
        return Block(count=count, elapsed_s=elapsed_s, latencies_s=latencies_s)


class _Tokens:
    """A generation of seeded tokens."""

    told: Collection[str] | None = (LOGITS,)

    def __init__(self, compiled: Compiled, generation: Generation, seed: int) -> None:
        assert compiled.info.language is not None, "only a language model generates"
        language = compiled.info.language
        longest = (generation.prompt_tokens or PROMPTS[-1]) + generation.new_tokens
        longest = max(longest, CHECKED_PROMPT + CHECKED_TOKENS)
        if language.context is not None:
            longest = min(longest, language.context)
        rows = reversed(range(generation.batch))  # the same sequence is the last of any batch
        self._tokens = np.stack([_seeded(language.vocabulary, longest, seed, row) for row in rows])
        self._checked_prompt = min(CHECKED_PROMPT, longest // 2)
        self._generator = generator_of(
            compiled.compiled_model, generation.attention_backend, generation.batch, longest
        )

    @property
    def copy_s(self) -> None:
        return None

    def outputs(self, reference: Path | None) -> NamedOutputs:
        forced = None if reference is None else load_outputs(reference)[f"0/{SAID}"]
        tokens = self._tokens[:, : CHECKED_PROMPT + CHECKED_TOKENS]
        said, logits = self._generator.continued(tokens, self._checked_prompt, forced)
        return ({SAID: said, LOGITS: logits},)

    def infer(self, seconds: float) -> int:
        began, count = perf_counter(), 0
        self._read_prompt(self._checked_prompt)
        while count == 0 or perf_counter() < began + seconds:
            if self._generator.position == self._tokens.shape[1]:
                self._read_prompt(self._checked_prompt)
            self._next()
            count += 1
        return count

    def block(self, request: Run | Generate) -> Block:
        assert isinstance(request, Generate)
        self._lead_in(request)
        first_tokens_s = self._first_tokens(request) if request.first else []
        self._reach(request)
        second_tokens_s = [self._next() for _ in range(request.tokens)]
        timed_s = second_tokens_s or first_tokens_s
        return Block(
            count=len(timed_s) * len(self._tokens),
            elapsed_s=sum(timed_s),
            first_tokens_s=tuple(first_tokens_s),
            second_tokens_s=tuple(second_tokens_s),
        )

    def _lead_in(self, request: Generate) -> None:
        began = perf_counter()
        while perf_counter() < began + request.lead_in_s:
            self._read_prompt(request.prompt)

    def _first_tokens(self, request: Generate) -> list[float]:
        began = perf_counter()
        took_s = [self._read_prompt(request.prompt)]
        while perf_counter() < began + request.first_s:
            took_s.append(self._read_prompt(request.prompt))
        return took_s

    def _reach(self, request: Generate) -> None:
        """Read the context of the tokens to be timed, as far as that isn't what was read last."""
        if not request.tokens or self._generator.position == request.context:
            return
        if self._generator.position != request.prompt:
            self._read_prompt(request.prompt)
        if request.ahead:
            self._read(request.prompt, request.prompt + request.ahead)
        for _ in range(request.steps):
            self._next()

    def _read_prompt(self, count: int) -> float:
        """Read so many tokens from the first on at once; return the seconds of that."""
        self._generator.forget()
        return self._read(0, count)

    def _next(self) -> float:
        return self._read(self._generator.position, self._generator.position + 1)

    def _read(self, first: int, end: int) -> float:
        return self._generator.read(self._tokens[:, first:end])


def _seeded(vocabulary: int, count: int, seed: int, row: int) -> NDArray[Any]:
    return np.random.default_rng((seed, row)).integers(0, vocabulary, count)
