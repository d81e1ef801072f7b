"""One config measured on its own, end to end."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import InputError
from autotp.findings.metric import metrics_of
from autotp.findings.proof import ProofState
from autotp.measuring.measurement import Measurement, measure_config
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.process import WorkerProcess
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OPEN_BLOCK_S
from autotp.measuring.workload.workload import Run
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model, wide_model


def exact(**settings: object) -> Config:
    """Knobs of the small model, in f32 with four requests in flight."""
    return Config.of({"inference_precision_hint": "f32", "nireq": 4, **settings})


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """What two streams and four requests do."""
    job = job_for(matmul_model(tmp_path_factory.mktemp("model")))
    pair = exact(num_streams=2, inference_num_threads=2, enable_cpu_pinning=False)
    with Workers() as workers:
        return measure_config(workers, job, pair, 0.3)


def test_all_figures_are_there_and_fit_together(found: Measurement) -> None:
    """Rates and latencies are positive, quantiles are in order, and counts are whole turns of the requests."""
    figures = {metric.name: found.metrics[metric.key] for metric in metrics_of(ClosedLoop.samples)}
    assert len(found.metrics) == len(figures)
    assert figures["throughput"] > 0
    assert 0 < figures["latency_p50"] <= figures["latency_p90"] <= figures["latency_p99"]
    assert found.metrics["compile_s"] > 0
    assert found.blocks >= 1
    assert found.inferences >= found.blocks * found.nireq
    assert found.inferences % found.nireq == 0
    assert found.measured_s > 0


def test_one_object_holds_figures_and_facts(found: Measurement) -> None:
    """In JSON the metrics stand beside everything else, each under its key; those of other models are None."""
    plain, others = found.plain(), {metric.key for metric in metrics_of(Generation.samples)} - found.metrics.keys()
    assert plain.items() >= found.metrics.items()
    assert plain.keys() - found.metrics.keys() - others == set(Measurement.__struct_fields__) - {"metrics"}
    assert [plain[key] for key in others] == [None] * 3
    assert plain["workload"] == ClosedLoop()


def test_memory_is_that_of_a_process_with_openvino(found: Measurement) -> None:
    """The peak is more than Python and OpenVINO need and less than a small model could."""
    assert 20e6 < found.metrics["memory_bytes"] < 2e9


def test_the_config_is_as_openvino_reports_it(found: Measurement) -> None:
    """The observed config and the properties are those of the compiled model."""
    as_set = Effective(streams=2, threads=2, split_nodes=0, requests=4, precision="f32", pinned=False)
    assert found.effective == as_set
    assert found.nireq == 4
    assert found.properties["NUM_STREAMS"] == "2"
    assert found.properties["INFERENCE_PRECISION_HINT"] == "f32"


def test_a_config_that_cannot_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """The one sentence says in which phase it failed and why."""
    narrow = exact(split_count=99, split_min_weights=0)
    with pytest.raises(InputError, match=r"can't be measured: INVALID in compile: .*can't be split into 99"):
        measure_config(workers, job_for(matmul_model(tmp_path)), narrow, 0.1)


def test_a_budget_of_nothing_still_measures(tmp_path: Path, workers: Workers) -> None:
    """At least one block is run."""
    assert measure_config(workers, job_for(matmul_model(tmp_path)), exact(), 0.0).blocks == 1


def test_blocks_are_long_where_no_other_arm_waits(tmp_path: Path, workers: Workers) -> None:
    """Each lasts a tenth of the budget, beyond the usual 50 ms: few begin after a pause of the CPU."""
    found = measure_config(workers, job_for(matmul_model(tmp_path)), exact(), 1.5)
    assert found.measured_s / found.blocks >= 0.15
    assert found.blocks <= 10


def test_copies_are_reported_apart(found: Measurement) -> None:
    """What copying inputs in and outputs out takes is a figure of its own, which no latency has."""
    assert found.copy_s is not None
    assert found.copy_s > 0


def test_a_rate_is_what_arrives(tmp_path: Path, workers: Workers) -> None:
    """Far below what the model can do, what is served are the arrivals, in a few long blocks."""
    job = job_for(matmul_model(tmp_path), rate_per_s=200.0)
    open_loop = measure_config(workers, job, exact(num_streams=1), 1.0)
    assert open_loop.workload.facts()["rate_per_s"] == 200.0
    assert open_loop.measured_s >= open_loop.blocks * OPEN_BLOCK_S - 1e-6
    assert open_loop.inferences >= open_loop.blocks


def test_instances_begin_a_block_together(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two workers is given the same moment to begin at, and what both did counts."""
    sent: list[Any] = []

    def recorded(worker: WorkerProcess, request: Any, send: Any = WorkerProcess.send) -> None:
        sent.append(request)
        send(worker, request)

    monkeypatch.setattr(WorkerProcess, "send", recorded)
    spec = job_for(matmul_model(tmp_path)).spec(exact(num_streams=1, inference_num_threads=1))
    arm = WorkerArm(ArmSpec(plans=spec.plans * 2, workload=spec.workload), workers)
    try:
        arm.launch()
        arm.await_start()
        block = arm.block(Run(duration_s=0.05))
    finally:
        arm.stop()
    one, other = (request for request in sent if isinstance(request, Run))
    assert one.begin_s == other.begin_s is not None
    assert block.count == len(block.latencies_s) >= 2


def test_a_language_model_is_measured_by_whole_generations(tmp_path: Path, workers: Workers) -> None:
    """Each block holds a prompt and all tokens after it, of every sequence; no inference has a latency."""
    job = job_for(language_model(tmp_path), prompt_tokens=8, new_tokens=12)
    found = measure_config(workers, job, Config.of({"batch": 2}), 0.05)
    assert found.inferences == found.blocks * 12 * 2
    assert found.metrics.keys() == {metric.key for metric in metrics_of(Generation.samples)}
    assert found.workload.facts()["batch"] == 2
    assert (found.nireq, found.copy_s, found.plain()["latency_p50_s"]) == (1, None, None)


def test_a_policy_is_proven_after_the_arm_is_over(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a model that fills most of the memory can be measured: the same config without it runs by itself."""
    stopped: list[bool] = []
    real = WorkerArm.launch

    def launch(arm: WorkerArm, beside: int = 0) -> None:
        stopped.append(all(not other._workers for other in made))
        made.append(arm)
        real(arm, beside)

    made: list[WorkerArm] = []
    monkeypatch.setattr(WorkerArm, "launch", launch)
    job = job_for(wide_model(tmp_path, rows=64))
    found = measure_config(
        workers, job, Config.of({"distribution_policy": "tensor_parallel", "num_streams": 1}), 0.0
    )
    assert found.proof is not None
    assert found.effective.sub_streams == found.proof.sub_streams
    assert found.proof.state in tuple(ProofState)
    assert stopped == [True, True]
