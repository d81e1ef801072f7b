"""A measurement and a comparison as printed."""

from typing import Any

from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.measuring.compare.result import Comparison, SideResult
from autotp.measuring.measurement import Measurement
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.report.measurements import comparison_view, measurement_table
from autotp.space.aliases.effective import Effective
from tests.support.printed import missing, printed


def measured(**given: Any) -> Measurement:
    """A measurement of two streams."""
    metrics = {
        "throughput_per_s": 1234.5,
        "latency_p50_s": 0.0008,
        "latency_p99_s": 0.002,
        "memory_bytes": 2.0**30,
        "compile_s": 0.25,
    }
    defaults: dict[str, Any] = {
        "metrics": metrics,
        "copy_s": 0.00002,
        "inferences": 6000,
        "measured_s": 5.0,
        "blocks": 100,
        "nireq": 4,
        "effective": Effective(streams=2, threads=2, requests=4, precision="bf16"),
        "properties": {},
        "workload": ClosedLoop(),
    }
    return Measurement(**{**defaults, **given})


def test_a_measurement_is_shown_with_units() -> None:
    """Each figure has its unit, and what OpenVINO made of the config is there."""
    found = printed(measurement_table({"num_streams": 2}, measured()))
    words = ["num_streams=2", "throughput", "1,234/s", "latency_p50", "800 µs", "2 ms", "memory", "1 GiB"]
    assert missing([*words, "250 ms", "20 µs", "bf16", "6000 in 100 blocks"], found) == []
    assert "first_token_latency" not in found


def test_a_split_is_shown_with_its_proof() -> None:
    """Whether the policy did anything is a line of its own."""
    proof = Proof(state=ProofState.INERT, sub_streams=1, threads=4, threads_without=4)
    assert "tensor parallelism is INERT" in printed(measurement_table({}, measured(proof=proof)))


def test_a_comparison_says_what_it_proves() -> None:
    """Figures that both sides have, and the ratio with its interval in a sentence."""
    error = OutputError(max_abs_error=0.001, max_abs_reference=1.0, finite=True)
    sides = [
        SideResult(
            effective=Effective(), metrics={"throughput_per_s": rate, "memory_bytes": 2.0**30}, output_error=error
        )
        for rate in (120.0, 100.0)
    ]
    facts: dict[str, Any] = {
        "ratio": 1.2,
        "low": 1.19,
        "high": 1.21,
        "verdict": Ruling.WIN,
        "reason": "",
        "objective": "throughput",
        "processes": 6,
        "rounds": 60,
        "noise_floor": 1.01,
        "workload": ClosedLoop(data_dependent=True, sample_count=8),
        "a": sides[0],
        "b": sides[1],
    }
    found = printed(comparison_view("[mine]", "hint:THROUGHPUT", Comparison(**facts)))
    words = ["A: [mine]", "B: hint:THROUGHPUT", "120/s", "100/s", "memory", "0.001", "6 processes each"]
    sentence = "A is 1.200 times as fast as B in throughput (95 % interval 1.190 to 1.210"
    assert missing([*words, sentence, "here 1.010): WIN", "passes over the same 8 samples"], found) == []
    none = {**facts, "processes": 0, "high": float("inf"), "verdict": Ruling.UNKNOWN, "reason": "B failed"}
    found = printed(comparison_view("mine", "hint:THROUGHPUT", Comparison(**none)))
    assert missing(["A and B could not be compared: UNKNOWN", "B failed"], found) == []
