"""What drives a model, and what is asked of a language model: checked before anything is started."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import InputError
from autotp.findings import METRICS, Metric
from autotp.measuring import Asked, generation_for, requests_of
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.registry import workload_for
from autotp.measuring.workload.workload import Token, Workload
from autotp.runtime import ModelFiles, ModelKind, locate
from autotp.space import Config
from tests.support.language_models import language_model

PLAIN = ModelFiles(Path("plain.xml"), ModelKind.IR)


def driven(metric: Metric = METRICS["latency_p99"], budget_s: float = 10.0, **given: Any) -> Workload:
    """The workload of a call with `given`."""
    return workload_for([metric], budget_s, **{"seed": 0, "data": None, "rate_per_s": None, **given})


def test_what_was_asked_for_is_what_drives(tmp_path: Path) -> None:
    """The data are named by their whole path, as workers may live elsewhere."""
    data = tmp_path / "d.npz"
    data.write_bytes(b"")
    assert driven(seed=3, data=data, rate_per_s=50.0) == Workload(seed=3, data=data, rate_per_s=50.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"data": Path("gone.npz")}, r"gone\.npz"),
        ({"rate_per_s": 0.0}, "rate must be more than 0"),
        ({"rate_per_s": float("nan")}, "rate must be more than 0"),
        ({"rate_per_s": 1e6}, "at most 100000 a second"),
        ({"rate_per_s": 50.0, "metric": METRICS["throughput"]}, "choose a latency objective"),
        ({"rate_per_s": 0.5, "budget_s": 5.0}, r"At 0\.5 a second .* a budget of 100 s"),
    ],
)
def test_what_would_tell_nothing_is_bad_input(given: dict[str, Any], words: str) -> None:
    """One sentence says what is wrong; where hardly anything arrives, it names the budget that would do."""
    with pytest.raises(InputError, match=words):
        driven(**given)


def test_the_attention_is_that_of_where_it_is_deployed(tmp_path: Path) -> None:
    """State unless pages are asked for, and there are no others."""
    files = locate(language_model(tmp_path))
    found = [generation_for(files, (), Asked(attention_backend=word)) for word in (None, "SDPA", "pa")]
    assert [generation and generation.attention_backend for generation in found] == ["SDPA", "SDPA", "PA"]
    with pytest.raises(InputError, match="no attention backend 'flash'; there are SDPA and PA"):
        generation_for(files, (), Asked(attention_backend="flash"))
    with pytest.raises(InputError, match="--attention-backend is for language models"):
        generation_for(PLAIN, (), Asked(attention_backend="PA"))


def test_the_objectives_say_which_tokens_are_timed(tmp_path: Path) -> None:
    """One of them alone, or both where both are asked about, or nothing is."""
    files = locate(language_model(tmp_path))
    first, second, rate = METRICS["first_token_latency"], METRICS["second_token_latency"], METRICS["tokens_per_s"]
    timed = [generation_for(files, metrics, Asked()) for metrics in ([first], [second, rate], [rate, first], [])]
    assert [generation and generation.timed for generation in timed] == [
        (Token.FIRST,), (Token.SECOND,), (Token.FIRST, Token.SECOND), (Token.FIRST, Token.SECOND),
    ]  # fmt: skip
    assert timed[1] == Generation(new_tokens=128, batch=1, timed=(Token.SECOND,))


def test_what_is_asked_is_taken(tmp_path: Path) -> None:
    """Whatever is left open is as usual."""
    files = locate(language_model(tmp_path))
    generation = generation_for(files, (), Asked(prompt_tokens=77, batch=4))
    assert generation == Generation(prompt_tokens=77, new_tokens=128, batch=4)


def test_another_model_has_no_tokens() -> None:
    """Nothing is asked of it, and asking is an error that names the flag."""
    assert generation_for(PLAIN, (), Asked()) is None
    with pytest.raises(InputError, match=r"--new-tokens is for language models, and plain\.xml isn't one"):
        generation_for(PLAIN, (), Asked(new_tokens=5))


@pytest.mark.parametrize("asked", [Asked(batch=0), Asked(prompt_tokens=-1), Asked(new_tokens=10**9)])
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, asked: Asked) -> None:
    """Before a process is started."""
    with pytest.raises(InputError, match="must be from 1 to 1000000"):
        generation_for(locate(language_model(tmp_path)), (), asked)


def test_a_prompt_beyond_the_context_is_refused(tmp_path: Path) -> None:
    """The text says what was asked for, what the model allows, and who says so; without a limit all is allowed."""
    files = locate(language_model(tmp_path / "bounded", context=256))
    with pytest.raises(InputError, match=r"A prompt of 200 tokens and 128 new ones .* config\.json allows 256"):
        generation_for(files, (), Asked(prompt_tokens=200))
    assert generation_for(files, (), Asked(prompt_tokens=200, new_tokens=56)) is not None
    with pytest.raises(InputError, match="A prompt of 128 tokens and 129 new ones"):
        generation_for(files, (), Asked(new_tokens=129))
    assert generation_for(locate(language_model(tmp_path / "open")), (), Asked(prompt_tokens=10**6)) is not None


@pytest.mark.parametrize(("given", "flag"), [({"data": Path("x.npz")}, "--data"), ({"rate_per_s": 5.0}, "--rate")])
def test_neither_data_nor_a_rate_drive_a_generation(given: dict[str, Any], flag: str) -> None:
    """Tokens come from the seed, one generation after the other."""
    with pytest.raises(InputError, match=f"{flag} isn't for a language model"):
        driven(generation=Generation(), **given)


def test_a_generation_is_one_request() -> None:
    """Whatever a config says; elsewhere it decides, and without it the objective."""
    four, none = Config.of({"nireq": 4}), Config()
    plain, tokens = driven(), driven(generation=Generation())
    throughput, latency = (METRICS["throughput"],), (METRICS["latency_p50"],)
    assert requests_of(four, (METRICS["tokens_per_s"],), tokens) == 1
    assert [requests_of(config, throughput, plain) for config in (four, none)] == [4, None]
    assert requests_of(none, latency, plain) == 1
