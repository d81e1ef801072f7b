"""A machine, a space, a measurement and a tuned file as text."""

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from autotp.deploy.guard import Decision, Difference
from autotp.findings import Proof, ProofState, Ruling
from autotp.measuring.measurement import Measurement
from autotp.report.machine import topology_tree
from autotp.report.tables import measurement_table, space_view, tuned_view
from autotp.space import Config, Effective, bind, load_space
from autotp.topology import Topology, probe, summary
from autotp.tuning.result.tuned_content import Shipped, build_tuned
from tests.support.trees import Described, build
from tests.support.tuning_results import F32, GAIN, VERSIONS, evidence, observed, request_in


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """Two sockets of two cores with SMT."""
    return probe(build(Described(sockets=2, cores_per_node=2, smt=2), tmp_path / "machine"))


def text(renderable: Any) -> str:
    """What rich prints, without colour, as wide as needed."""
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def missing(words: list[str], found: str) -> list[str]:
    """Those of `words` that aren't found."""
    return [word for word in words if word not in found]


def test_the_tree_shows_the_machine_and_the_envelope(topology: Topology) -> None:
    """Sockets, nodes with their CPUs, caches, ISA, envelope and fingerprint are there."""
    found = text(topology_tree(topology, summary(topology, "Xeon [tested]")))
    words = ["Xeon [tested]", "2 socket(s), 4 cores, 8 CPUs, SMT 2", "socket 0", "socket 1"]
    words += ["NUMA node 1: CPUs 2-3,6-7", "L3 unified: 2 × 105 MiB", "amx_bf16", "CPUs 0-7", "no CPU quota"]
    assert missing([*words, topology.fingerprint.id], found) == []


def test_the_space_shows_values_counts_and_reasons(topology: Topology) -> None:
    """Values are those bound to this machine; conditions, counts and what was dropped are told."""
    bound = bind(load_space("default"), topology)
    census = bound.census()
    found = text(space_view(bound, census, explain=False))
    words = ["space default", "num_streams × 1, 2, 4", "distribution_policy in tensor_parallel"]
    assert missing([*words, f"{census.configs} configs, {census.effective_configs}"], found) == []
    lines = text(space_view(bound, census, explain=True)).splitlines()
    assert len(lines) == len(found.splitlines()) + census.effective_configs


def test_what_was_dropped_is_told_with_its_reason(tmp_path: Path) -> None:
    """On one socket the space says why tensor parallelism is out."""
    one = probe(build(Described(cores_per_node=2), tmp_path / "one"))
    bound = bind(load_space("tensor_parallel"), one)
    found = text(space_view(bound, bound.census(), explain=False))
    assert "dropped distribution_policy=tensor_parallel: the process spans 1 socket(s)" in found


def test_a_measurement_is_shown_with_units() -> None:
    """Each figure has its unit, and what OpenVINO made of the config is told."""
    measurement = Measurement(
        metrics={
            "throughput_per_s": 1234.5,
            "latency_p50_s": 0.0008,
            "latency_p99_s": 0.002,
            "first_token_latency_s": None,
            "memory_bytes": 2**30,
        },
        compile_s=0.25,
        copy_s=0.00002,
        inferences=6000,
        measured_s=5.0,
        blocks=100,
        nireq=4,
        effective=Effective(streams=2, threads=2, requests=4, precision="bf16"),
        properties={},
    )
    found = text(measurement_table(Config.of({"num_streams": 2}), measurement))
    words = [
        "num_streams=2",
        "1,234/s",
        "800 µs",
        "2 ms",
        "1 GiB",
        "250 ms",
        "20 µs",
        "bf16",
        "6000 in 100 blocks",
    ]
    assert missing(words, found) == []
    assert "first_token_latency" not in found


@pytest.mark.parametrize(
    ("ruling", "words"),
    [
        (
            Ruling.WIN,
            ["WIN: 1.840 times the baseline, 95 % interval 1.800 to 1.870", "throughput", "92/s", "50/s"],
        ),
        (Ruling.TIE, ["TIE: nothing was proven faster"]),
        (Ruling.UNKNOWN, ["UNKNOWN: can't tell"]),
    ],
)
def test_a_tuned_file_is_told_in_words(
    ruling: Ruling, words: list[str], tmp_path: Path, topology: Topology
) -> None:
    """The verdict, the figures beside the baseline's, and what would be applied here."""
    tuned = build_tuned(request_in(tmp_path), topology, evidence(ruling), VERSIONS)
    decision = Decision(applied=False, reason="another machine", differences=(Difference("sockets", 2, 1),))
    found = text(tuned_view(tuned, tuned.profiles[0], decision, {"PERFORMANCE_HINT": "LATENCY"}))
    words += ["rec.xml tuned for throughput", "the baseline's hint would be applied instead (another machine)"]
    assert missing([*words, "PERFORMANCE_HINT=LATENCY", "differs: sockets: tuned 2, here 1"], found) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ProofState.ACTIVE, "is active: 2 sub-stream(s), 4 threads with the policy, 2 without"),
        (ProofState.INERT, "is INERT: the policy is set but did nothing (4 threads with it, 2 without)"),
    ],
)
def test_a_split_is_told_with_its_proof(state: ProofState, words: str, tmp_path: Path, topology: Topology) -> None:
    """A tensor-parallel config says whether the split is active, and from which threads that is known."""
    proof = Proof(state=state, sub_streams=2, threads=4, threads_without=2)
    seen = msgspec.structs.replace(observed(1), proof=proof)
    shipped = Shipped(config=F32, observed=seen, metrics={}, gain=GAIN)
    tuned = build_tuned(request_in(tmp_path), topology, evidence(Ruling.WIN, shipped=shipped), VERSIONS)
    decision = Decision(applied=True, reason="same machine", differences=())
    found = text(tuned_view(tuned, tuned.profiles[0], decision, {}))
    assert f"tensor parallelism {words}" in found
    assert "here it would be applied (same machine): OpenVINO's defaults" in found
