"""A tuned file as printed."""

import msgspec
import pytest

from autotp.deploy.guard import Decision, Difference
from autotp.deploy.tuned import Result, TunedBaseline
from autotp.findings.interval import UNITY, Interval
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.report.tuned_file import tuned_view
from tests.support.printed import missing, printed
from tests.support.tuned_files import profile, tuned

GAIN = Interval(median=1.84, low=1.8, high=1.87)


def result(verdict: Ruling) -> Result:
    """A profile with twice the streams of the THROUGHPUT hint."""
    wins = verdict is Ruling.WIN
    return Result(
        verdict=verdict,
        gain=GAIN if wins else UNITY,
        baseline=TunedBaseline(config={"performance_hint": "throughput"}, metrics={"throughput_per_s": 50.0}),
        metrics={"throughput_per_s": 92.0 if wins else 50.0},
        noise_floor=1.012,
        reason="2 of 6 processes fit into the budget" if verdict is Ruling.UNKNOWN else msgspec.UNSET,
    )


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (
            Ruling.WIN,
            [
                "WIN: 1.84 times as fast in throughput",
                "95 % interval 1.8 to 1.87",
                "92/s",
                "50/s",
                "Deploy: autotp.",
            ],
        ),
        (Ruling.TIE, ["TIE: Nothing was proven faster in throughput"]),
        (Ruling.UNKNOWN, ["UNKNOWN: Can't tell", "Why: 2 of 6 processes"]),
    ],
)
def test_a_tuned_file_in_words(verdict: Ruling, words: list[str]) -> None:
    """The verdict, the figures beside the baseline's, and what would be applied here."""
    one = profile({"num_streams": 2}, result=result(verdict))
    decision = Decision(applied=False, reason="another machine", differences=(Difference("sockets", 2, 1),))
    found = printed(tuned_view(tuned(one), one, decision, {"PERFORMANCE_HINT": "LATENCY"}))
    words += ["model.xml tuned for throughput", "the baseline's hint would be applied instead (another machine)"]
    words += ["num_streams=2", "performance_hint=throughput"]
    assert missing([*words, "PERFORMANCE_HINT=LATENCY", "differs: sockets: tuned 2, here 1"], found) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ProofState.ACTIVE, "is active: 2 sub-stream(s), 4 threads with the policy, 2 without"),
        (ProofState.INERT, "is INERT: the policy is set but did nothing (4 threads with it, 2 without)"),
    ],
)
def test_a_split_is_shown_with_its_proof(state: ProofState, words: str) -> None:
    """A tensor-parallel config says whether the split is active, and from which threads that is known."""
    proof = Proof(state=state, sub_streams=2, threads=4, threads_without=2)
    one = profile({"inference_precision_hint": "f32"}, result=result(Ruling.WIN), proof=proof)
    found = printed(tuned_view(tuned(one), one, Decision(applied=True, reason="same machine"), {}))
    assert f"tensor parallelism {words}" in found
    assert "here it would be applied (same machine): OpenVINO's defaults" in found
