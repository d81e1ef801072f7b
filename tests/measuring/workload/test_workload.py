"""What all workloads have in common."""

from autotp.findings.metric import METRICS
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.workload import Run
from autotp.space.knobs.config import Config


def test_metrics_are_those_of_what_blocks_hold() -> None:
    """Latencies of inferences, or times of tokens; memory and compile time of every model."""
    inferences = {"throughput", "latency_p50", "latency_p90", "latency_p99", "memory"}
    assert inferences <= {metric.name for metric in ClosedLoop.metrics()}
    assert ClosedLoop.metrics() == OpenLoop.metrics()
    assert {metric.name for metric in Generation.metrics()} == {
        "first_token_latency", "second_token_latency", "tokens_per_s", "memory", "compile"
    }  # fmt: skip


def test_what_can_be_tuned_for_depends_on_the_workload() -> None:
    """The rate of an open loop is given, so no config changes it; memory can only be bounded."""
    throughput, latency = METRICS["throughput"], METRICS["latency_p50"]
    assert [workload.suits(throughput) for workload in (ClosedLoop, OpenLoop, Generation)] == [True, False, False]
    assert [workload.suits(latency) for workload in (ClosedLoop, OpenLoop, Generation)] == [True, True, False]
    assert not any(workload.suits(METRICS["memory"]) for workload in (ClosedLoop, OpenLoop, Generation))


def test_nothing_is_open_that_has_one_answer() -> None:
    """What a workload leaves to nobody has nothing to be chosen, and no config changes it."""
    loop = ClosedLoop(seed=3, data_dependent=False, sample_count=8)
    assert loop.open_fields == ()
    assert loop.with_chosen({}) == loop
    assert loop.for_config(Config.of({"num_streams": 2})) is loop
    assert loop.for_one_of(4) is loop
    assert loop.at_risk((METRICS["throughput"],)) == ()


def test_a_block_takes_as_long_as_was_asked() -> None:
    """The watchdog counts from there."""
    assert ClosedLoop().run_seconds(Run(duration_s=0.3, lead_in_s=0.1), instances=4) == 0.4
