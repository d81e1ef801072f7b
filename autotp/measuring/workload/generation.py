"""Generation with language models: a prompt is read, then tokens follow one by one.

A language model has two latencies whose best settings differ. For the first token the whole prompt is read at
once, which is limited by the CPU's arithmetic; each further token is limited by memory bandwidth. A block of
further tokens is a burst at the same place of the context for every arm, because attention takes longer with more
context. The tokens that are fed come from the seed, not from the model's answers, so all arms do the same work.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, TypedDict

import msgspec

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import METRICS, Metric, Samples
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.token_driver import PROMPTS, TokenBlock, TokenDriver
from autotp.measuring.workload.workload import BlockUnit, Driver, Run, Wanted, Workload
from autotp.options import Flag, Form, spell
from autotp.runtime.compile import Compiled
from autotp.runtime.models.language import Attention, context_limit
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.read import ModelInfo
from autotp.space.knobs.config import Config

NEW_TOKENS = 128
BURST_TOKENS = 8
MOST_TOKENS = 1_000_000


class GenerationOptions(TypedDict, total=False):
    """The options of generation."""

    prompt_tokens: Annotated[
        int | None,
        Flag(
            Form.COUNT,
            "Language models: tokens in each prompt.  [default: the longest of 1024, 512, 256 and 128 that takes "
            "at most 0.5 s to read, or else 128]",
            "N",
            of_workload=True,
        ),
    ]
    new_tokens: Annotated[
        int | None,
        Flag(
            Form.COUNT,
            f"Language models: tokens to generate after each prompt.  [default: {NEW_TOKENS}]",
            "N",
            of_workload=True,
        ),
    ]
    batch: Annotated[
        int | None,
        Flag(Form.COUNT, "Language models: sequences to generate at once.  [default: 1]", "N", of_workload=True),
    ]
    attention_backend: Annotated[
        str | None,
        Flag(
            Form.TEXT,
            "Language models: attention used in production. SDPA (default) keeps the KV cache as state of the "
            "model, PA in pages, as GenAI does.",
            "SDPA|PA",
            of_workload=True,
        ),
    ]


class Generation(Workload, frozen=True, kw_only=True, tag="generation"):
    """`new_tokens` tokens are generated after each prompt, for `batch` sequences at once.

    If `prompt_tokens` is None, it is still to be chosen. `attention_backend` is the one used in production.
    `timed` are the kinds of tokens that the objectives and constraints need.
    """

    prompt_tokens: int | None = None
    new_tokens: int = NEW_TOKENS
    batch: int = 1
    attention_backend: Attention = Attention.SDPA
    timed: tuple[Samples, ...] = (Samples.FIRST_TOKENS, Samples.SECOND_TOKENS)

    title: ClassVar[str] = "a language model"
    options: ClassVar[type] = GenerationOptions
    kinds: ClassVar[frozenset[ModelKind]] = frozenset({ModelKind.LLM})
    samples: ClassVar[tuple[Samples, ...]] = (Samples.FIRST_TOKENS, Samples.SECOND_TOKENS)
    usual_objective: ClassVar[str] = "second_token_latency"
    usual_space: ClassVar[str] = "language_model"
    own_knobs: ClassVar[frozenset[str]] = frozenset(
        {
            *("kv_cache_precision", "key_cache_precision", "value_cache_precision"),
            *("key_cache_group_size", "value_cache_group_size", "key_cache_quant_mode"),
            *("enable_sage_attn", "batch"),
        }
    )
    exact_when_lossy: ClassVar[bool] = True
    reference_properties: ClassVar[Mapping[str, str]] = {
        "KV_CACHE_PRECISION": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    }

    @classmethod
    def of(cls, files: ModelFiles, wanted: Wanted, given: Mapping[str, Any]) -> Self:
        counts = {name: given[name] for name in ("prompt_tokens", "new_tokens", "batch") if name in given}
        if wrong := [name for name, count in counts.items() if not 1 <= count <= MOST_TOKENS]:
            raise InputError(f"{spell(wrong[0])} must be from 1 to {MOST_TOKENS}.")
        about = {metric.samples for metric in (*wanted.objectives, *wanted.bounded)}
        generation = cls(
            seed=given.get("seed", 0),
            timed=tuple(samples for samples in cls.samples if samples in about) or cls.samples,
            attention_backend=_attention(given.get("attention_backend")),
            **counts,
        )
        generation._check_context(context_limit(files.path))
        return generation

    @property
    def open_fields(self) -> tuple[str, ...]:
        return ("prompt_tokens",) if self.prompt_tokens is None else ()

    @property
    def void_knobs(self) -> Mapping[str, str]:
        requests = {"nireq": "a language model generates in one request"}
        paged = {"enable_sage_attn": "only paged attention has it"}
        return requests if self.attention is Attention.PA else {**requests, **paged}

    @property
    def unit(self) -> BlockUnit:
        return BlockUnit.BURSTS

    @property
    def attention(self) -> Attention:
        return self.attention_backend

    @property
    def description(self) -> str:
        batch = f", {self.batch} at once" if self.batch > 1 else ""
        paged = ", paged attention" if self.attention_backend is Attention.PA else ""
        return f"prompts of {self.prompt_tokens} tokens, {self.new_tokens} new ones each{batch}{paged}"

    def for_config(self, config: Config) -> Self:
        batch = config.count("batch")
        return self if batch is None else msgspec.structs.replace(self, batch=batch)

    def nireq(self, config: Config, objectives: Sequence[Metric]) -> int:
        """Return one: a generation is a single request."""
        return 1

    def first_settings(self, cores: int, sockets: int) -> tuple[dict[str, Any], ...]:
        """Return the hint with one change at a time, as a budget has time for few candidates."""
        return (
            {"distribution_policy": "tensor_parallel", "split_count": sockets},
            {"inference_precision_hint": "f32"},
            {"enable_cpu_pinning": False},
            {"kv_cache_precision": "bf16"},
            {"split_count": 2},
        )

    def check_inputs(self, info: ModelInfo) -> None:
        """Check nothing: tokens are made from the seed, so they fit any language model."""

    def driver(self, compiled: Compiled) -> Driver:
        return TokenDriver(compiled, self)

    def turn_s(self, block: Block, in_flight: int) -> float:
        """Return the timed length of the block."""
        return block.elapsed_s

    def at_risk(self, metrics: Sequence[Metric]) -> tuple[Metric, ...]:
        """Return the latency of the first or of further tokens, whichever `metrics` don't cover."""
        about = {metric.samples for metric in metrics}
        latencies = (METRICS["first_token_latency"], METRICS["second_token_latency"])
        return tuple(metric for metric in latencies if metric.samples not in about)

    def identity(self) -> dict[str, Any]:
        generation = {
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "batch": self.batch,
            "attention_backend": str(self.attention_backend),
            "timed": [samples.removesuffix("_tokens") for samples in self.timed],
        }
        # Studies of language models have always recorded these two; they can only be resumed if they still match.
        return {"rate": None, "data": None, "generation": generation}

    def kind(self, nireq: int | None) -> str:
        return Loop.GENERATE

    def facts(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": self.new_tokens,
            "batch": self.batch,
            "attention_backend": self.attention_backend,
        }

    def fitting_prompts(self, context: int) -> list[int]:
        """Return the usual prompt lengths that fit into `context` with the new tokens, shortest first."""
        return [tokens for tokens in PROMPTS if tokens + self.new_tokens <= context]

    def burst(self, run: Run) -> TokenBlock:
        """Return what block `run.number` of a process reads and times; it is the same for every arm.

        Successive blocks time successive bursts of a generation; after its end, a new generation begins. The first
        block of a generation always times both the prompt and tokens, so that both latencies are known. OpenVINO
        is slower in the step after a prompt, which occurs once per generation. So later blocks run that step
        untimed; else every burst would include one.
        """
        prompt, tokens = self.prompt_tokens or 0, min(BURST_TOKENS * run.amount, self.new_tokens)
        done = tokens * (run.number % (self.new_tokens // tokens))
        first_s, lead_in_s = (0.0, 0.0) if run.flat_out else (run.duration_s, run.lead_in_s)
        amid = min(done, 1)
        if Samples.SECOND_TOKENS not in self.timed:
            timed, steps = (0, 0) if done else (tokens, min(self.new_tokens - tokens, 1))
            return TokenBlock(
                prompt=prompt, steps=steps, tokens=timed, first=True, first_s=first_s, lead_in_s=lead_in_s
            )
        if done and Samples.FIRST_TOKENS not in self.timed:
            return TokenBlock(prompt=prompt + done - amid, steps=amid, tokens=tokens, lead_in_s=lead_in_s)
        return TokenBlock(
            prompt=prompt, ahead=done - amid, steps=amid, tokens=tokens, first=True, lead_in_s=lead_in_s
        )

    def _check_context(self, limit: int | None) -> None:
        shortest = self.prompt_tokens or PROMPTS[0]
        if limit is not None and shortest + self.new_tokens > limit:
            raise InputError(
                f"A prompt of {shortest} tokens and {self.new_tokens} new ones don't fit into the model's "
                f"context: its config.json allows {limit}."
            )


def _attention(name: str | None) -> Attention:
    backend = (name or Attention.SDPA).upper()
    if backend not in tuple(Attention):
        raise InputError(f"There is no attention backend {name!r}; there are {' and '.join(Attention)}.")
    return Attention(backend)
