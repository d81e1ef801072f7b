"""One config measured on its own, end to end."""

from pathlib import Path
from time import monotonic

import msgspec
import pytest

from autotp.errors import InputError
from autotp.findings import INFERENCES, METRICS, metrics_of
from autotp.measuring.api import measure
from autotp.measuring.measurement import Measurement
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.blocks import Blocks
from autotp.measuring.workload.workload import Workload
from autotp.runtime import Plan, locate
from autotp.space import Effective
from tests.support.models import matmul_model


def spec(folder: Path, **properties: str) -> ArmSpec:
    """An arm of the small model in f32."""
    properties = {"INFERENCE_PRECISION_HINT": "f32", **properties}
    plan = Plan(files=locate(matmul_model(folder)), shapes={}, properties=properties, nireq=4)
    return ArmSpec(plans=(plan,), workload=Workload())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """What two streams and four requests do."""
    folder = tmp_path_factory.mktemp("model")
    pair = spec(folder, NUM_STREAMS="2", INFERENCE_NUM_THREADS="2", ENABLE_CPU_PINNING="NO")
    with Workers() as workers:
        return measure(workers, pair, 0.3, Blocks())


def test_all_figures_are_there_and_fit_together(found: Measurement) -> None:
    """Rates and latencies are positive, quantiles are in order, and counts are whole turns of the requests."""
    figures = {name: found.metrics[METRICS[name].key] or 0.0 for name in map(str, metrics_of(INFERENCES))}
    assert len(found.metrics) == len(figures)
    assert figures["throughput"] > 0
    assert 0 < figures["latency_p50"] <= figures["latency_p90"] <= figures["latency_p99"]
    assert found.compile_s > 0
    assert found.blocks >= 1
    assert found.inferences >= found.blocks * found.nireq
    assert found.inferences % found.nireq == 0
    assert found.inferences / found.measured_s == pytest.approx(figures["throughput"], rel=0.5)


def test_one_object_holds_figures_and_facts(found: Measurement) -> None:
    """In JSON the metrics stand beside everything else, each under its key."""
    assert found.flat.items() >= found.metrics.items()
    assert found.flat.keys() - found.metrics.keys() == set(Measurement.__struct_fields__) - {"metrics"}


def test_memory_is_that_of_a_process_with_openvino(found: Measurement) -> None:
    """The peak is more than Python and OpenVINO need and less than a small model could."""
    assert 20e6 < (found.metrics["memory_bytes"] or 0) < 2e9


def test_the_config_is_as_openvino_reports_it(found: Measurement) -> None:
    """The observed config and the properties are those of the compiled model."""
    as_set = Effective(streams=2, threads=2, split_nodes=0, requests=4, precision="f32", pinned=False)
    assert found.effective == as_set
    assert found.nireq == 4
    assert found.properties["NUM_STREAMS"] == "2"
    assert found.properties["INFERENCE_PRECISION_HINT"] == "f32"


def test_a_config_that_cannot_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """The one sentence says in which phase it failed and why."""
    with pytest.raises(InputError, match=r"can't be measured: INVALID in compile: OpenVINO can't compile"):
        measure(workers, spec(tmp_path, FOO="1"), 0.1, Blocks())


def test_a_budget_of_nothing_still_measures(tmp_path: Path, workers: Workers) -> None:
    """At least one block is run."""
    assert measure(workers, spec(tmp_path), 0.0, Blocks()).blocks == 1


def test_copies_are_reported_apart(found: Measurement) -> None:
    """Copying 64 bytes in and out takes microseconds, which no latency has."""
    assert found.copy_s is not None
    assert 0 < found.copy_s < 1e-3


def test_a_rate_is_what_arrives(tmp_path: Path, workers: Workers) -> None:
    """Measured at a rate far below what the model can do, it is about that rate, from a few long blocks."""
    slow = spec(tmp_path, NUM_STREAMS="1")
    slow = msgspec.structs.replace(slow, workload=Workload(rate_per_s=200.0))
    open_loop = measure(workers, slow, 1.0, Blocks())
    assert open_loop.metrics["throughput_per_s"] == pytest.approx(200.0, rel=0.3)
    assert open_loop.blocks <= 10
    assert open_loop.inferences >= 100


def test_instances_run_at_once_and_their_rates_add(tmp_path: Path, workers: Workers) -> None:
    """Two workers begin a block together, so that it takes the time of one, and each has a window of its own."""
    one = spec(tmp_path, NUM_STREAMS="1", INFERENCE_NUM_THREADS="1")
    arm = Arm(msgspec.structs.replace(one, plans=one.plans * 2), workers)
    try:
        arm.launch()
        arm.await_start()
        began = monotonic()
        block = arm.block(0.5)
        took_s = monotonic() - began
    finally:
        arm.stop()
    assert block.elapsed_s == pytest.approx(0.5, rel=0.2)
    assert took_s < 0.8
    assert block.count == len(block.latencies_s)
    assert block.count > 2 * 4
