"""What a person asks to be driven with, checked before anything is started."""

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from autotp.errors import InputError
from autotp.findings import Metric
from autotp.measure.samples.metrics import tokens_of
from autotp.measure.workload.open_loop import check_arrivals, check_rate
from autotp.measure.workload.workload import PROMPTS, Generation, Workload
from autotp.runtime import Attention, ModelFiles, context_limit
from autotp.space import Config

MOST_TOKENS = 1_000_000


def requests_of(config: Config, objectives: Collection[Metric], workload: Workload) -> int | None:
    """Return the requests in flight with `config`; None leaves OpenVINO's optimum where it doesn't say.

    That is meant for throughput, and where there are no objectives; at a rate it's how many may run side by side.
    A generation is one request.
    """
    if workload.generation is not None:
        return 1
    if (nireq := config.count("nireq")) is not None:
        return nireq
    one_by_one = workload.rate_per_s is None and objectives and not any(metric.maximize for metric in objectives)
    return 1 if one_by_one else None


class Asked(msgspec.Struct, frozen=True):
    """What a person asks of a language model; None leaves it to autotp."""

    prompt_tokens: int | None = None
    new_tokens: int | None = None
    batch: int | None = None
    attention_backend: str | None = None


def generation_for(files: ModelFiles, metrics: Iterable[Metric], asked: Asked) -> Generation | None:
    """Return what a language model is asked for, to tell `metrics` (all of them where none is given).

    Raises:
        InputError: `files` aren't a language model's and something of it is asked for, a number isn't at least 1,
            or the tokens are more than its context holds.
        ModelError: its limits can't be read.
    """
    given = {name: value for name, value in msgspec.structs.asdict(asked).items() if value is not None}
    if not files.generates:
        if given:
            flag = "--" + min(given).replace("_", "-")
            raise InputError(f"{flag} is for language models, and {files.path.name} isn't one.")
        return None
    counts = {name: value for name, value in given.items() if isinstance(value, int)}
    if wrong := [name for name, value in counts.items() if not 1 <= value <= MOST_TOKENS]:
        raise InputError(f"--{wrong[0].replace('_', '-')} must be from 1 to {MOST_TOKENS}.")
    generation = Generation(timed=tokens_of(metrics), **{**given, "attention_backend": _attention(asked)})
    limit, shortest = context_limit(files.path), generation.prompt_tokens or PROMPTS[0]
    if limit is not None and shortest + generation.new_tokens > limit:
        raise InputError(
            f"A prompt of {shortest} tokens and {generation.new_tokens} new ones don't fit into the model's "
            f"context: its config.json allows {limit}."
        )
    return generation


def _attention(asked: Asked) -> Attention:
    backend = (asked.attention_backend or Attention.SDPA).upper()
    if backend not in tuple(Attention):
        raise InputError(
            f"There is no attention backend {asked.attention_backend!r}; there are {' and '.join(Attention)}."
        )
    return Attention(backend)


def workload_for(
    objectives: Iterable[Metric],
    budget_s: float,
    *,
    seed: int,
    data: Path | None,
    rate_per_s: float | None,
    generation: Generation | None = None,
) -> Workload:
    """Return what drives the model, checked before anything is started.

    Raises:
        InputError: the data aren't there, the rate can't be kept or decides the objective itself, hardly
            anything arrives within the budget, or a generation is given either.
    """
    if generation is not None:
        _refuse(data is not None, "--data", "tokens are made from the seed")
        _refuse(rate_per_s is not None, "--rate", "one generation follows the other")
    if data is not None and not data.is_file():
        raise InputError(f"Data file {data} doesn't exist.")
    if rate_per_s is not None:
        check_rate(rate_per_s)
        if any(metric.maximize for metric in objectives):
            raise InputError("--rate fixes the throughput; choose a latency objective, for example latency_p99.")
        check_arrivals(rate_per_s, budget_s)
    return Workload(
        seed=seed,
        data=None if data is None else data.resolve(),
        rate_per_s=rate_per_s,
        generation=generation,
    )


def _refuse(given: bool, flag: str, reason: str) -> None:
    if given:
        raise InputError(f"{flag} isn't for a language model: {reason}.")
