"""Comparisons: the verdict on pretended arms, and a whole one on real workers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.errors import EnvironmentFailure, InputError, ModelError
from autotp.measuring.compare.comparison import Contender, Pairing, _judge_outputs, compare_arms
from autotp.measuring.compare.result import A, B, Comparison, SideResult
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.job import REFERENCE_PROPERTIES, Job
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.pool import Workers
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model, sized_model
from tests.support.pretended_arms import Pretended

EXACT = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)


def sides(a: str | None = None, b: str | None = None) -> dict[str, SideResult]:
    """Both sides, with what is wrong with their outputs."""
    return {
        key: SideResult(effective=Effective(), metrics={}, output_error=EXACT, wrong=w)
        for key, w in ((A, a), (B, b))
    }


def pairing(job: Job, contenders: Mapping[str, Contender], notice: Callable[[str], None] = print) -> Pairing:
    """Contenders on a job, judged by its objective."""
    return Pairing(job=job, contenders=contenders, metric=job.objectives[0], notice=notice)


def entered(job: Job, a: Mapping[str, Any] = {}, notice: Callable[[str], None] = print) -> Pairing:
    """Both contenders, A with these settings, which aren't started."""
    configs = {A: Config.of(a), B: Config()}
    return pairing(job, {key: Contender(config=config, plans=()) for key, config in configs.items()}, notice)


@pytest.mark.parametrize("held", [False, True])
def test_less_exact_settings_must_say_the_same_tokens(
    held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the hints differ in as many tokens, a config as exact as they may; a less exact one may not."""
    error = msgspec.structs.replace(EXACT, derived={"tokens": 0.1})
    job = job_for(language_model(tmp_path), "tokens_per_s", prompt_tokens=8)
    bench = WorkerBench(job, Predictor(job.topology), Workers())
    hint = Observed(effective=Effective(), masks=None, proof=None, output_error=error, properties={})
    monkeypatch.setattr(bench, "start", lambda configs, gated: [(Pretended(0.01, 0.0), hint) for _ in configs])
    both = entered(job, {"kv_cache_precision": "u4"} if held else {})
    differing = {key: msgspec.structs.replace(side, output_error=error) for key, side in sides().items()}
    judged = _judge_outputs(bench, both, differing)
    assert (judged[A].wrong is not None, judged[B].wrong) == (held, None)


def test_hints_that_cannot_run_are_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are needed only where a side would be rejected without them, and one that runs will do."""
    job = job_for(matmul_model(tmp_path), "throughput")
    bench = WorkerBench(job, Predictor(job.topology), Workers())
    failure = ArmFailure(Status.CRASHED, Phase.COMPILE, "it crashed")
    monkeypatch.setattr(bench, "start", lambda configs, gated: [(Pretended(0.01, 0.0), failure) for _ in configs])
    assert _judge_outputs(bench, entered(job), sides()) == sides()
    broken = msgspec.structs.replace(EXACT, finite=False, misplaced={"y": 0.1})
    infinite = {key: msgspec.structs.replace(side, output_error=broken) for key, side in sides().items()}
    with pytest.raises(EnvironmentFailure, match=r"hint \(performance_hint=throughput\) can't be measured"):
        _judge_outputs(bench, entered(job), infinite)
    hint = Observed(effective=Effective(), masks=None, proof=None, output_error=broken, properties={})
    arm, said = Pretended(0.01, 0.0), list[str]()
    monkeypatch.setattr(bench, "start", lambda configs, gated: [(arm, failure), (arm, hint)])
    judged = _judge_outputs(bench, entered(job, notice=said.append), infinite)
    assert (judged[A].wrong, judged[B].wrong) == (None, None)
    assert [words for words in said if "performance_hint=latency" in words and "it crashed" in words]


def compared(
    workers: Workers,
    model: Path,
    a: Mapping[str, str] = {},
    budget_s: float = 3.0,
    notice: Callable[[str], None] = print,
) -> Comparison:
    """The comparison of the properties `a` with one stream, each with two requests in flight."""
    plans = {
        key: Plan(files=locate(model), shapes={}, properties=dict(properties), nireq=2)
        for key, properties in ((A, a), (B, {"NUM_STREAMS": "1"}))
    }
    contenders = {key: Contender(config=Config(), plans=(plan,)) for key, plan in plans.items()}
    return compare_arms(workers, pairing(job_for(model, "throughput"), contenders, notice), budget_s)


def test_a_real_comparison_looks_at_the_outputs_of_both(tmp_path: Path, workers: Workers) -> None:
    """However short the budget, both are started once and compared with the reference."""
    said: list[str] = []
    found = compared(workers, matmul_model(tmp_path), budget_s=0.5, notice=said.append)
    assert ["too short for a verdict" in words for words in said] == [True]
    assert (found.a.wrong, found.b.wrong) == (None, None)
    assert found.b.effective.streams == 1
    assert found.a.output_error.finite


def test_too_little_memory_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not even one arm fits, nothing is compared."""
    monkeypatch.setattr("autotp.measuring.parent.pool.available_memory_bytes", lambda: 1 << 20)
    with pytest.raises(EnvironmentFailure, match=r"an arm takes .* room for 0 more"):
        compared(workers, matmul_model(tmp_path))


def test_sides_take_turns_where_memory_holds_one(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and the outputs of both are compared as ever."""
    monkeypatch.setattr(Workers, "room", 1)
    said: list[str] = []
    found = compared(workers, matmul_model(tmp_path), budget_s=0.5, notice=said.append)
    assert any("take turns" in words for words in said)
    assert (found.a.wrong, found.b.wrong) == (None, None)
    assert found.a.output_error.finite


def test_a_side_that_cannot_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """A property that OpenVINO refuses: the text holds it and how it failed."""
    with pytest.raises(InputError, match=r"NUM_STREAMS.*can't be measured"):
        compared(workers, matmul_model(tmp_path), {"NUM_STREAMS": "many"})


def test_a_reference_that_times_out_is_a_failure_of_the_environment(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be held against it, whatever the sides do."""

    def late(bench: WorkerBench) -> None:
        raise ArmFailure(Status.TIMED_OUT, Phase.INFERENCE, "no answer in time")

    monkeypatch.setattr(WorkerBench, "record_reference", late)
    with pytest.raises(EnvironmentFailure, match=r"The reference outputs can't be computed: .*no answer in time"):
        compared(workers, matmul_model(tmp_path))


def test_a_reference_that_openvino_refuses_is_bad_input(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that OpenVINO can't compile, or can't run on its inputs, as where it is measured alone."""
    with pytest.raises(ModelError, match=r"can't be computed: the inference failed: .* data='inputs.npz'"):
        compared(workers, sized_model(tmp_path))
    monkeypatch.setitem(REFERENCE_PROPERTIES, "FOO", "1")
    with pytest.raises(ModelError, match=r"The reference outputs can't be computed: .*FOO"):
        compared(workers, matmul_model(tmp_path))
