"""The three lines that open tuned.yaml."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.findings import METRICS, Interval, Proof, ProofState, Ruling
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.workload import Workload
from autotp.runtime import Attention
from autotp.space import Config
from autotp.tuning.result.headline import say
from autotp.tuning.result.tuned_content import Shipped
from tests.support.tuning_results import F32, GAIN, evidence, observed, request_in


@pytest.mark.parametrize(
    ("ruling", "words"),
    [
        (Ruling.WIN, ["1.84 times as fast in throughput", "performance_hint=throughput", "1.8 to 1.87", "95 %"]),
        (Ruling.TIE, ["Nothing was proven faster", "the hint ships", "1.2 %"]),
        (Ruling.UNKNOWN, ["Can't tell", "the hint ships", "2 of 6 processes"]),
    ],
)
def test_three_lines_say_what_was_found(ruling: Ruling, words: list[str], tmp_path: Path) -> None:
    """The comment has three lines: what was found, on what evidence, how to deploy it."""
    text = say(request_in(tmp_path), evidence(ruling))
    assert len(text.splitlines()) == 3
    assert all(word in text for word in words)
    assert 'autotp.load("tuned.yaml")' in text


@pytest.mark.parametrize(
    ("config", "masks", "words"),
    [
        ({}, None, 'autotp.load("tuned.yaml"), or the properties below with compile_model.'),
        ({"split_count": 2}, None, "which splits the graph; the properties below alone do not."),
        ({"numa_nodes": 1}, ((0, 1),), "which binds the process to CPUs 0-1; the properties below alone do not."),
        (
            {"instances": 2},
            ((0,), (1,)),
            '2 processes, each autotp.load("tuned.yaml", instance=I) with I from 0, which',
        ),
        ({"numa_nodes": 1, "split_count": 2}, ((3,),), "binds the process to CPUs 3 and splits the graph;"),
    ],
    ids=["properties", "graph", "cpus", "instances", "both"],
)
def test_the_last_line_says_what_properties_alone_do_not(
    config: dict[str, Any], masks: tuple[tuple[int, ...], ...] | None, words: str, tmp_path: Path
) -> None:
    """CPUs and splits in the graph are what `load` does beyond them."""
    shipped = Shipped(config=Config.of(config), observed=observed(1, masks=masks), metrics={}, gain=GAIN)
    last = say(request_in(tmp_path), evidence(Ruling.WIN, shipped=shipped)).splitlines()[-1]
    assert last.startswith("Deploy: ")
    assert words in last


@pytest.mark.parametrize(
    ("config", "masks", "words"),
    [
        ({}, None, "the properties below with OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND=PA."),
        ({"numa_nodes": 1}, ((0, 1),), "ATTENTION_BACKEND=PA, in a process bound to CPUs 0-1."),
        ({"instances": 2}, ((0,), (1,)), "PA, in 2 processes, each bound to the CPUs of its line of `affinity`."),
        ({"split_count": 2}, None, "the properties below and what `autotp split` writes with OpenVINO GenAI's"),
    ],
    ids=["properties", "cpus", "instances", "graph"],
)
def test_paged_attention_is_deployed_by_genai(
    config: dict[str, Any], masks: tuple[tuple[int, ...], ...] | None, words: str, tmp_path: Path
) -> None:
    """Which loads what autotp doesn't."""
    shipped = Shipped(config=Config.of(config), observed=observed(1, masks=masks), metrics={}, gain=GAIN)
    workload = Workload(generation=Generation(prompt_tokens=8, attention_backend=Attention.PA))
    request = msgspec.structs.replace(request_in(tmp_path), workload=workload)
    last = say(request, evidence(Ruling.WIN, shipped=shipped)).splitlines()[-1]
    assert words in last
    assert "autotp.load" not in last


def test_a_win_says_what_it_costs_that_nobody_asked_for(tmp_path: Path) -> None:
    """A gain in one kind of token that is paid with the other is told where that is proven, and only there."""
    half, same = Interval(median=0.5, low=0.4, high=0.625), Interval(median=0.99, low=0.9, high=1.1)
    for gain, words in ((half, " But first_token_latency is 2 times worse (1.6 to 2.5)."), (same, "")):
        others = {METRICS["first_token_latency"]: gain}
        shipped = Shipped(config=F32, observed=observed(1), metrics={}, gain=GAIN, others=others)
        lines = say(request_in(tmp_path), evidence(Ruling.WIN, shipped=shipped)).splitlines()
        assert len(lines) == 3
        assert lines[1].endswith(f"outputs checked.{words}")


def test_an_objective_whose_best_was_not_in_the_finals_is_named(tmp_path: Path) -> None:
    """The front isn't known to its end then."""
    found = evidence(Ruling.TIE, left_out=(METRICS["latency_p50"],))
    assert "What the search found best in latency_p50 didn't fit into the finals." in say(
        request_in(tmp_path), found
    )


def test_a_win_over_baselines_that_break_a_constraint_says_so(tmp_path: Path) -> None:
    """Where the best hint is proven to break a constraint, what ships may be slower: no gain is claimed."""
    slower = Shipped(config=F32, observed=None, metrics={}, gain=Interval(median=0.8, low=0.7, high=0.9))
    bounded = request_in(tmp_path, constraints=["latency_p99<20ms"])
    text = say(bounded, evidence(Ruling.WIN, shipped=slower))
    assert text.startswith(
        "The fastest that keeps latency_p99<20ms, which OpenVINO's best hint is proven to break."
    )
    assert "0.8 times as fast" in text
    assert "Proven" not in text


@pytest.mark.parametrize(("state", "told"), [(state, state is not ProofState.ACTIVE) for state in ProofState])
@pytest.mark.parametrize("ruling", list(Ruling))
def test_a_split_that_did_nothing_is_told_at_the_head_of_the_file(
    ruling: Ruling, state: ProofState, told: bool, tmp_path: Path
) -> None:
    """Whatever the verdict: where the policy ships and isn't active, the second of three lines says so."""
    proof = Proof(state=state, sub_streams=1, threads=8, threads_without=8)
    seen = msgspec.structs.replace(observed(1), proof=proof)
    shipped = Shipped(config=F32, observed=seen, metrics={}, gain=GAIN)
    lines = say(request_in(tmp_path), evidence(ruling, shipped=shipped)).splitlines()
    assert len(lines) == 3
    assert (f"tensor parallelism is {state.upper()}" in lines[1]) is told
