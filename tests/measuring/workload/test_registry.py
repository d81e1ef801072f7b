"""Which workload drives a model: checked before anything is started."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import InputError
from autotp.findings.metric import METRICS
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.registry import (
    WORKLOADS,
    AnyWorkload,
    WorkloadOptions,
    objective_named,
    void_knobs,
    workload_class,
    workload_for,
)
from autotp.measuring.workload.workload import Wanted, Workload
from autotp.options import Spelling, spelled_for
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from autotp.space.knobs.table import KNOBS
from tests.support.language_models import language_model

PLAIN = ModelFiles(Path("plain.xml"), ModelKind.IR)
ONNX = ModelFiles(Path("plain.onnx"), ModelKind.ONNX)
LANGUAGE = ModelFiles(Path("llm.xml"), ModelKind.LLM)


def driven(files: ModelFiles, objective: str, **options: Any) -> AnyWorkload:
    """What drives `files` for this objective."""
    return workload_for(files, Wanted((METRICS[objective],), (), 10.0), options)


def test_the_model_and_the_options_choose_the_workload(tmp_path: Path) -> None:
    """Inferences one after the other, arrivals where a rate is given, a generation of a language model."""
    files = locate(language_model(tmp_path))
    assert driven(PLAIN, "throughput") == driven(ONNX, "throughput") == ClosedLoop()
    assert driven(PLAIN, "latency_p90", rate_per_s=50.0, seed=2) == OpenLoop(seed=2, rate_per_s=50.0)
    assert isinstance(driven(files, "tokens_per_s"), Generation)


def test_an_option_of_none_is_not_given(tmp_path: Path) -> None:
    """As a caller may pass on what it was asked: whatever the option, the model's usual workload is the same."""
    unset = dict.fromkeys(WorkloadOptions.__annotations__.keys() - {"seed"})
    assert driven(PLAIN, "latency_p90", **unset) == ClosedLoop()
    files = locate(language_model(tmp_path))
    assert driven(files, "tokens_per_s", **unset) == driven(files, "tokens_per_s")


@pytest.mark.parametrize(
    ("given", "flag"),
    [({"new_tokens": 5}, "--new-tokens"), ({"attention_backend": "PA"}, "--attention-backend")],
)
def test_another_model_has_no_tokens(given: dict[str, Any], flag: str) -> None:
    """Asking for some is an error that names the option as the caller spells it."""
    with pytest.raises(InputError, match=rf"^{next(iter(given))} is for a language model; plain\.xml is a model"):
        workload_class(PLAIN, given)
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=f"^{flag} is for a language model"):
        workload_class(PLAIN, given)


@pytest.mark.parametrize(("given", "flag"), [({"data": Path("x.npz")}, "--data"), ({"rate_per_s": 5.0}, "--rate")])
def test_neither_data_nor_a_rate_drive_a_generation(given: dict[str, Any], flag: str) -> None:
    """Tokens come from the seed, one generation after the other."""
    with (
        spelled_for(Spelling.COMMAND_LINE),
        pytest.raises(InputError, match=rf"^{flag} is for a model that isn't .*; llm\.xml is a language model"),
    ):
        workload_class(LANGUAGE, given)


def test_objectives_are_those_of_the_workload() -> None:
    """What another kind of model can be tuned for isn't one, nor is what can only be bounded."""
    assert objective_named("latency_p99", ClosedLoop) is METRICS["latency_p99"]
    assert objective_named("tokens_per_s", Generation) is METRICS["tokens_per_s"]
    with pytest.raises(InputError, match="no objective 'throughput' of a language model; there are first_token_l"):
        objective_named("throughput", Generation)
    with pytest.raises(InputError, match="no objective 'tokens_per_s' of a model that isn't a language model"):
        objective_named("tokens_per_s", ClosedLoop)
    with pytest.raises(InputError, match="no objective 'memory'"):
        objective_named("memory", ClosedLoop)
    with pytest.raises(InputError, match="no objective 'speed'; there are throughput, "):
        objective_named("speed", ClosedLoop)


def test_knobs_of_another_workload_mean_nothing() -> None:
    """Each with its reason: those of language models elsewhere, and the requests in flight of a generation."""
    elsewhere = void_knobs(ClosedLoop())
    assert elsewhere == void_knobs(OpenLoop(rate_per_s=5.0))
    assert elsewhere.keys() == Generation.own_knobs
    assert set(elsewhere.values()) == {"only a language model has it"}
    requests = {"nireq": "a language model generates in one request"}
    assert void_knobs(Generation(attention_backend=Attention.PA)) == requests
    assert void_knobs(Generation()) == {**requests, "enable_sage_attn": "only paged attention has it"}
    assert void_knobs(Generation()).keys() <= KNOBS.keys()


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_workload_answers_for_itself(workload: type[Workload]) -> None:
    """Its usual objective suits it, its knobs exist, and each of its options is one of a workload's."""
    assert workload.suits(METRICS[workload.usual_objective])
    assert workload.own_knobs <= KNOBS.keys()
    assert workload.options.__annotations__.keys() <= WorkloadOptions.__annotations__.keys()
    assert {metric.name for metric in workload.metrics()} >= {"memory", workload.usual_objective}


def test_every_kind_of_model_has_one_usual_workload() -> None:
    """Which drives it where no option chooses another."""
    for kind in ModelKind:
        usual = [workload for workload in WORKLOADS if kind in workload.kinds and workload.option_needed is None]
        assert len(usual) == 1
