"""From configs to running arms, on the real OpenVINO."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.bench import Bench
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.jobs.preparation import inspect
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.gate import Gate
from autotp.measuring.parent import pool as workers_module
from autotp.measuring.parent.pool import Workers
from autotp.measuring.workload.workload import Run
from autotp.runtime.models.model_files import locate
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def bench_of(job: Job, workers: Workers, layers: tuple[FullyConnected, ...] = ()) -> WorkerBench:
    """A bench on this machine with its reference recorded."""
    bench = WorkerBench(job, Predictor(job.topology, layers), workers)
    bench.record_reference()
    return bench


@pytest.fixture
def bench(model: Path, workers: Workers) -> Iterator[WorkerBench]:
    """A bench of the small model."""
    made = bench_of(job_for(model, "throughput"), workers)
    yield made
    made.close()


def test_what_openvino_treats_alike_has_one_key(bench: WorkerBench) -> None:
    """`none` is LATENCY: both start, with equal keys; another precision or request count is another arm."""
    hints = [Config.of({"performance_hint": hint}) for hint in ("latency", "none")]
    outcomes = [outcome for _, outcome in bench.start([*hints, Config.of({"num_streams": 1, "nireq": 3})])]
    seen = [outcome for outcome in outcomes if isinstance(outcome, Observed)]
    assert len(seen) == 3
    latency, none, three = seen
    assert latency.key == none.key != three.key
    assert three.effective.requests == 3
    assert latency.output_error is not None
    assert latency.proof is None


def test_a_config_that_openvino_refuses_is_a_failure_with_its_reason(bench: WorkerBench) -> None:
    """A refused property is data: status, phase and OpenVINO's words; a sound arm beside it runs."""
    refused, sound = bench.start([Config.of({"distribution_policy": "pipeline_parallel"}), Config()])
    assert isinstance(refused[1], ArmFailure)
    assert refused[1].status in (Status.INVALID, Status.CRASHED)
    assert refused[1].message.startswith("OpenVINO can't compile ")
    assert isinstance(sound[1], Observed)
    assert sound[0].block(Run()).count >= 1


def test_wrong_outputs_fail_an_arm_but_not_a_hint(bench: WorkerBench) -> None:
    """With outputs beyond the bar an arm is WRONG_OUTPUT and stopped; ungated it is only observed."""
    bench.gate = Gate(tolerance=-1.0)  # nothing can be so exact
    ((_, gated),) = bench.start([Config()])
    assert isinstance(gated, ArmFailure)
    assert gated.status is Status.WRONG_OUTPUT
    assert "largest output error" in gated.message
    ((_, free),) = bench.start([Config()], gated=False)
    assert isinstance(free, Observed)


def test_the_hints_set_the_bar(model: Path, workers: Workers) -> None:
    """The worst output error of a hint is what is accepted in practice; a user's tolerance stays."""
    job = job_for(model, "throughput")
    bench = WorkerBench(job, Predictor(job.topology), workers, tolerance=0.5)
    error = OutputError(max_abs_error=0.5, max_abs_reference=2.0, finite=True, relative_errors={"y": 0.25})
    hint = Observed(effective=Effective(), masks=None, proof=None, output_error=error, properties={})
    throughput = Config.of({"performance_hint": "throughput"})
    bench.accept_hints({throughput: hint, Config(): msgspec.structs.replace(hint, output_error=None)})
    assert (bench.gate.tolerance, bench.gate.hints) == (0.5, error)
    bench.close()


def test_graph_splits_differ_by_what_they_split(model: Path, workers: Workers) -> None:
    """Shards make another arm; which threshold picked the same layers doesn't. Outputs stay."""
    layers = inspect(workers, locate(model), {}).layers
    bench = bench_of(job_for(model, "throughput"), workers, layers)
    splits = [{"split_count": n, "split_min_weights": least} for n, least in ((2, 0), (2, 1), (3, 0))]
    exact = [Config.of({"inference_precision_hint": "f32", **split}) for split in ({}, *splits)]
    outcomes = [outcome for _, outcome in bench.start(exact)]
    seen = [outcome for outcome in outcomes if isinstance(outcome, Observed)]
    assert [outcome.effective.split_nodes for outcome in seen] == [0, 1, 1, 1]
    whole, two, same, three = (outcome.key for outcome in seen)
    assert two == same
    assert len({whole, two, three}) == 3
    assert not any(outcome.mispredicted for outcome in seen)
    assert all(outcome.output_error and outcome.output_error.max_abs_error < 1e-5 for outcome in seen)
    bench.close()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it takes two CPUs")
def test_instances_run_side_by_side(bench: WorkerBench) -> None:
    """Two processes with CPUs of their own are one arm, and their outputs are checked."""
    ((arm, outcome), (one, single)) = bench.start([Config.of({"instances": 2}), Config()])
    assert isinstance(outcome, Observed)
    assert isinstance(single, Observed)
    assert outcome.key != single.key
    assert outcome.masks is not None
    assert len({cpu for mask in outcome.masks for cpu in mask}) == sum(map(len, outcome.masks))
    assert [started.effective.threads for started in arm.started] == [len(mask) for mask in outcome.masks]
    assert arm.block(Run(duration_s=0.0)).count >= len(arm.started) == 2
    assert one.block(Run(duration_s=0.0)).count >= len(one.started) == 1
    assert outcome.output_error == single.output_error


def test_sequences_at_once_make_another_arm(tmp_path: Path, workers: Workers) -> None:
    """Of a language model: twice as many tokens in a block, though OpenVINO reports the same of both."""
    job = job_for(language_model(tmp_path), "tokens_per_s", prompt_tokens=8, new_tokens=8)
    bench = bench_of(job, workers)
    exact = {"inference_precision_hint": "f32"}
    (one, alone), (two, pair) = bench.start([Config.of(exact), Config.of({**exact, "batch": 2})])
    assert isinstance(alone, Observed)
    assert isinstance(pair, Observed)
    assert alone.key != pair.key
    assert 2 * one.block(Run()).count == two.block(Run()).count == 16
    assert alone.output_error is not None
    assert alone.output_error.derived == {"tokens": 0.0}
    bench.close()


def test_a_layer_too_narrow_to_split_is_a_failure(bench: WorkerBench) -> None:
    """More shards than output channels: invalid, with the reason."""
    ((_, outcome),) = bench.start([Config.of({"split_count": 99, "split_min_weights": 0})])
    assert isinstance(outcome, ArmFailure)
    assert outcome.status is Status.INVALID
    assert "can't be split into 99" in outcome.message


def test_arms_that_memory_has_no_room_for_are_not_started(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one arm like the reference's, the second is a failure that says so, the first runs."""
    one_arm = int(1.5 * bench._workers._arm_bytes / workers_module.MEMORY_SHARE)
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: one_arm)
    assert bench.room == 1
    first, second = bench.start([Config.of({"num_streams": streams}) for streams in (1, 2)])
    assert isinstance(first[1], Observed)
    assert isinstance(second[1], ArmFailure)
    assert (second[1].status, second[1].phase) == (Status.OUT_OF_MEMORY, Phase.START)
    assert "GiB of memory" in second[1].message


def test_room_is_unbounded_where_nothing_is_known_of_memory(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that doesn't say what is left holds nothing back."""
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: None)
    assert bench.room > 1000


def test_a_bench_of_workers_is_a_bench(bench: WorkerBench) -> None:
    """What tunings ask of one; nothing is known of how long a start takes until one has been seen."""
    used: Bench = bench
    assert used.arm_start_s == 0.0
    used.start([Config()])
    assert used.arm_start_s > 0.0


def test_an_arm_may_leave_its_outputs_alone(bench: WorkerBench) -> None:
    """In fresh processes they aren't compared again; nothing is started yet."""
    assert bench.arm(Config(), checked=False).spec.outputs is None
    checked = bench.arm(Config())
    assert checked.spec.outputs is not None
    assert not checked.spec.outputs.save
    assert checked.started == ()


def test_what_is_less_exact_must_say_the_references_tokens(tmp_path: Path, workers: Workers) -> None:
    """Of a language model, whatever the hints do; a config that is as exact as the default need not."""
    job = job_for(language_model(tmp_path), "tokens_per_s", prompt_tokens=8)
    bench = WorkerBench(job, Predictor(job.topology), workers)
    off = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True, derived={"tokens": 0.1})
    seen = Observed(effective=Effective(), masks=None, proof=None, output_error=off, properties={})
    bench.accept_hints({Config.of({"performance_hint": "latency"}): seen})
    assert bench.wrong_output(Config.of({"num_streams": 1}), seen) is None
    wrong = bench.wrong_output(Config.of({"kv_cache_precision": "u4"}), seen)
    assert wrong is not None
    assert wrong.status is Status.WRONG_OUTPUT
    assert "10.00% of the whole numbers of output tokens differ" in wrong.message
    bench.close()


HINT = Config.of({"performance_hint": "latency"})


def test_arms_take_turns_where_memory_holds_one(bench: WorkerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """All start then, one after the other; how long that takes is no longer a part of an arm's start."""
    one_arm = int(1.5 * bench._workers._arm_bytes / workers_module.MEMORY_SHARE)
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: one_arm)
    assert (bench.take_turns(HINT) or 0.0) > 0.0
    assert bench.room > 1000
    outcomes = bench.start([HINT, *(Config.of({"num_streams": streams, "nireq": 1}) for streams in (1, 2))])
    seen = [outcome for _, outcome in outcomes if isinstance(outcome, Observed)]
    assert [one.effective.streams for one in seen] == [1, 1, 2]
    assert all(one.output_error is not None and one.output_error.finite for one in seen)
    assert bench.arm_start_s == 0.0
    assert all(arm.block(Run(duration_s=0.01)).count > 0 for arm, _ in outcomes)


def test_a_reference_that_takes_more_memory_does_not_decide(
    bench: WorkerBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone when arms are measured; whether one of them starts is another question, too."""
    enough = 10 * bench._workers._arm_bytes
    bench._workers.note_arm_memory(100 * enough)
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: enough)
    assert bench.room == 0
    assert bench.take_turns(HINT) is None
    assert bench.room > 2
    bench._workers.note_arm_memory(100 * enough)
    assert bench.take_turns(Config.of({"split_count": 99, "split_min_weights": 0})) is None
