"""The three lines that open tuned.yaml, from its content."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.deploy.headline import headline, proof_words
from autotp.deploy.tuned import (
    Objective,
    ParetoPoint,
    Profile,
    Result,
    Tuned,
    TunedBaseline,
    TunedOutputs,
    TunedWorkload,
    UnmeasuredHint,
    read_tuned,
    write_tuned,
)
from autotp.findings.interval import UNITY, Interval
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.runtime.models.language import Attention
from tests.support.tuned_files import profile, tuned

GAIN = Interval(median=1.84, low=1.8, high=1.87)
HALF, SAME = Interval(median=0.5, low=0.4, high=0.625), Interval(median=0.99, low=0.9, high=1.1)
TWICE = Interval(median=2.0, low=1.9, high=2.1)
REFERENCE = Path(__file__).parents[2] / "results" / "reference"
KEPT_SINCE = re.compile(r" (?:But|And) \w+ is \S+ times (?:worse|better) \([^)]*\)\.")


def result(verdict: Ruling = Ruling.WIN, **facts: Any) -> Result:
    """A verdict over the THROUGHPUT hint."""
    defaults: dict[str, Any] = {
        "gain": GAIN if verdict is Ruling.WIN else UNITY,
        "baseline": TunedBaseline(config={"performance_hint": "throughput"}),
        "noise_floor": 1.012,
        "reason": "2 of 6 processes fit into the budget" if verdict is Ruling.UNKNOWN else msgspec.UNSET,
    }
    return Result(verdict=verdict, **{**defaults, **facts})


def shipping(settings: dict[str, Any] | None = None, *, of: Result | None = None, **facts: Any) -> Tuned:
    """A file with one profile that ships `settings`."""
    return tuned(profile({} if settings is None else settings, result=of or result(), **facts))


def generating(backend: Attention, *profiles: Profile) -> Tuned:
    """A file of a language model."""
    workload = TunedWorkload(kind="generate", nireq=1, prompt_tokens=8, attention_backend=backend)
    return tuned(*(profiles or (profile(result=result()),)), workload=workload)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Ruling.WIN, ["1.84 times as fast in throughput", "performance_hint=throughput", "1.8 to 1.87", "95 %"]),
        (Ruling.TIE, ["Nothing was proven faster", "the hint ships", "1.2 %"]),
        (Ruling.UNKNOWN, ["Can't tell", "the hint ships", "Why: 2 of 6 processes"]),
    ],
)
def test_three_lines_say_what_was_found(verdict: Ruling, words: list[str]) -> None:
    """What was found, on what evidence, how to deploy it."""
    text = headline(shipping(of=result(verdict)))
    assert len(text.splitlines()) == 3
    assert [word for word in words if word not in text] == []
    assert text.splitlines()[2] == 'Deploy: autotp.load("tuned.yaml"), or the properties below with compile_model.'


def test_own_settings_are_called_so() -> None:
    """Where the baseline is the user's own settings, it isn't called a hint."""
    own = TunedBaseline(config={"num_streams": 4}, own=True)
    win, tie = (headline(shipping(of=result(verdict, baseline=own))) for verdict in (Ruling.WIN, Ruling.TIE))
    assert "as fast in throughput as your own settings (num_streams=4)." in win
    assert "than your own settings, so they ship." in tie
    assert "hint" not in win + tie


def test_knobs_that_change_nothing_are_left_out() -> None:
    """The config in brackets names what matters; the file itself keeps every knob."""
    own = TunedBaseline(config={"distribution_policy": "none", "num_streams": 4}, own=True)
    assert "your own settings (num_streams=4)." in headline(shipping(of=result(baseline=own)))


def test_without_a_noise_floor_no_gain_could_be_proven() -> None:
    """A tie says what couldn't have been proven."""
    text = headline(shipping(of=result(Ruling.TIE, noise_floor=None)))
    assert "\nThe noise is unknown, so no gain could have been proven here.\n" in text


def test_a_tie_names_what_is_faster_and_may_break_a_bound() -> None:
    """So that the user can decide whether the bound was meant so strictly."""
    bounded = Objective(metrics=("throughput",), constraints=("latency_p99<20ms",))
    reason = "num_streams=2 is faster, but may break a constraint"
    text = headline(msgspec.structs.replace(shipping(of=result(Ruling.TIE, reason=reason)), objective=bounded))
    assert text.startswith("Nothing that keeps latency_p99<20ms was proven faster")
    assert f"could not have been proven here. {reason}." in text


def test_a_file_of_before_reasons_were_kept_says_that() -> None:
    """UNKNOWN without a reason still has a second line."""
    assert "\nWhy: the file does not say.\n" in headline(shipping(of=result(Ruling.UNKNOWN, reason=msgspec.UNSET)))


def test_a_win_says_what_it_costs_that_nobody_asked_for() -> None:
    """A gain in one kind of token that is paid with the other is said where that is proven, and only there."""
    for gain, words in (
        (HALF, " But first_token_latency is 2 times worse (1.6 to 2.5)."),
        (TWICE, " And first_token_latency is 2 times better (1.9 to 2.1)."),
        (SAME, ""),
    ):
        lines = headline(shipping(of=result(others={"first_token_latency": gain}))).splitlines()
        assert len(lines) == 3
        assert lines[1].endswith(f"outputs checked.{words}")


@pytest.mark.parametrize(
    ("checked", "unchecked", "words"),
    [
        (("y",), {"z": "is empty"}, "outputs checked except that z is empty"),
        ((), {"z": "is empty"}, "outputs not checked (z is empty)"),
        ((), {"a": "is empty", "b": "is empty", "c": "is empty"}, "(a is empty and b is empty, and 1 more)"),
    ],
)
def test_outputs_that_were_not_checked_are_named(
    checked: tuple[str, ...], unchecked: dict[str, str], words: str
) -> None:
    """Whatever the verdict, outputs that couldn't be checked aren't said to be, and the reason is given."""
    outputs = TunedOutputs(max_abs_error=0.0, baseline_max_abs_error=0.0, checked=checked, unchecked=unchecked)
    for verdict in Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN:
        lines = headline(shipping(of=result(verdict, outputs=outputs))).splitlines()
        assert len(lines) == 3
        assert words in lines[1].replace("Outputs", "outputs")
        assert "outputs checked." not in lines[1]


def test_hints_that_failed_are_named() -> None:
    """The verdict covers the hints that ran, and says why the others aren't among them."""
    gone = UnmeasuredHint(config={"performance_hint": "latency"}, reason="CRASHED in compile: gone.")
    for verdict in Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN:
        lines = headline(shipping(of=result(verdict, unmeasured=(gone,)))).splitlines()
        assert "the best of OpenVINO's hints that could be measured" in lines[0]
        assert lines[1].endswith("Not measured: performance_hint=latency (CRASHED in compile: gone).")


def test_each_end_of_the_front_says_what_it_costs() -> None:
    """Of several objectives the best in each is named with what is proven of its price, and nothing else."""
    keys = ("first_token_latency", "second_token_latency")
    wide, narrow = (
        ParetoPoint(
            config={"inference_num_threads": threads},
            metrics={"first_token_latency_s": first_s, "second_token_latency_s": second_s},
            costs=costs,
        )
        for threads, first_s, second_s, costs in (
            (8, 0.05, 0.01, {"second_token_latency": Interval(median=1.25, low=1.2, high=1.3)}),
            (4, 0.1, 0.008, {"first_token_latency": Interval(median=2.0, low=0.9, high=4.0)}),
        )
    )
    one = profile(result=result(), pareto=(wide, narrow))
    text = headline(tuned(one, objective=Objective(metrics=keys)))
    costs = "is 1.25 times worse in second_token_latency than the best in that."
    assert f" The best in first_token_latency (inference_num_threads=8) {costs}" in text
    assert "The best in second" not in text


def test_a_point_without_a_figure_is_not_the_best_in_it() -> None:
    """A front may hold points that lack an objective; where none has it, nothing is said of it."""
    cost = {"throughput": Interval(median=1.5, low=1.4, high=1.6)}
    bare = ParetoPoint(config={"nireq": 1}, metrics={"throughput_per_s": 9.0})
    full = ParetoPoint(config={"nireq": 2}, metrics={"throughput_per_s": 6.0, "latency_p50_s": 0.1}, costs=cost)
    one = profile(result=result(), pareto=(bare, full))
    text = headline(tuned(one, objective=Objective(metrics=("throughput", "latency_p50", "latency_p90"))))
    assert " The best in latency_p50 (nireq=2) is 1.5 times worse in throughput than the best in that." in text
    assert text.count("The best in") == 1


def test_an_objective_whose_best_was_not_in_the_finals_is_named() -> None:
    """The front isn't known to its end then."""
    text = headline(shipping(of=result(Ruling.TIE, left_out=("latency_p50", "latency_p99"))))
    assert " What the search found best in latency_p50 and latency_p99 didn't fit into the finals." in text


def test_a_win_over_baselines_that_break_a_constraint_says_so() -> None:
    """Where the best hint is proven to break a constraint, what ships may be slower: no gain is claimed."""
    slower = result(gain=Interval(median=0.8, low=0.7, high=0.9))
    bounded = Objective(metrics=("throughput",), constraints=("latency_p99<20ms",))
    text = headline(tuned(profile(result=slower), objective=bounded))
    assert text.startswith(
        "The fastest that keeps latency_p99<20ms, which OpenVINO's best hint is proven to break."
    )
    assert "0.8 times as fast" in text
    assert "Proven" not in text


@pytest.mark.parametrize("state", list(ProofState))
@pytest.mark.parametrize("verdict", [Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN])
def test_a_split_that_did_nothing_is_named_at_the_head_of_the_file(verdict: Ruling, state: ProofState) -> None:
    """Whatever the verdict: where the policy ships and isn't active, the second of three lines says so."""
    proof = Proof(state=state, sub_streams=1, threads=8, threads_without=8)
    lines = headline(shipping(of=result(verdict), proof=proof)).splitlines()
    assert len(lines) == 3
    assert (f"tensor parallelism is {state.upper()}" in lines[1]) is (state is not ProofState.ACTIVE)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ProofState.ACTIVE, "is active: 2 sub-stream(s), 8 threads with the policy, 4 without"),
        (
            ProofState.CAPPED,
            "is CAPPED: 2 sub-stream(s), not all cores of all sockets (8 threads with it, 4 without)",
        ),
        (ProofState.INERT, "is INERT: the policy is set but did nothing (8 threads with it, 4 without)"),
    ],
)
def test_a_proof_in_words(state: ProofState, words: str) -> None:
    """What doesn't do what its name says stands out."""
    proof = Proof(state=state, sub_streams=2, threads=8, threads_without=4)
    assert proof_words(proof) == f"tensor parallelism {words}"


def test_what_an_earlier_call_proved_is_called_that() -> None:
    """A later, inconclusive tuning left it in place, and the file says why."""
    before = shipping()
    kept = msgspec.structs.replace(before, study=msgspec.structs.replace(before.study, kept="too short"))
    found, why, deploy = headline(kept).splitlines()
    assert found == "This is what an earlier call proved; the last one was inconclusive."
    assert (why, deploy) == ("Why: too short.", headline(before).splitlines()[2])


def test_it_is_about_the_profile_that_is_asked_for() -> None:
    """A merged file has several; the first is meant where none is named."""
    first, second = profile(result=result(Ruling.TIE)), profile({"num_streams": 2}, result=result())
    both = tuned(first, second)
    assert headline(both) == headline(both, first) != headline(both, second)
    assert "1.84 times" in headline(both, second)


def test_nothing_is_said_that_the_file_does_not_hold(tmp_path: Path) -> None:
    """Written and read again, every kind of file has the same three lines."""
    proof = Proof(state=ProofState.INERT, sub_streams=1, threads=8, threads_without=8)
    full = result(others={"latency_p50": HALF, "memory": TWICE}, left_out=("latency_p50",))
    contents = [shipping(of=result(verdict)) for verdict in (Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN)]
    contents += [shipping({"split_count": 2}, of=full, proof=proof, affinity=("0", "1"))]
    contents += [generating(backend) for backend in Attention]
    for content in contents:
        write_tuned(tmp_path / "tuned.yaml", content, headline(content))
        assert headline(read_tuned(tmp_path / "tuned.yaml")) == headline(content)


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*/tuned.yaml")), ids=lambda path: path.parent.name)
def test_the_files_of_real_tunings_have_the_head_that_they_were_written_with(path: Path) -> None:
    """But for what a gain costs elsewhere, which files of before this was kept say in the comment alone."""
    head = "".join(line[2:] for line in path.read_text().splitlines(keepends=True)[:3]).rstrip("\n")
    content = read_tuned(path)
    if not content.profiles[0].result.others:
        head = KEPT_SINCE.sub("", head)
    assert headline(content) == head
