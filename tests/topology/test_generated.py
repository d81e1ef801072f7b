"""The probe against the builder's description, lscpu and lstopo, on 203 generated machines and six recorded ones.

Each machine is drawn from its own number, and a failure shows it, so that it can be repeated alone. What a tool
doesn't report is listed, with the reason, in `tests.support.oracles.INEXPRESSIBLE`, and how often each was asked
is asserted.
"""

import tarfile
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings

from autotp.topology.probe import probe
from tests.support.described import Described
from tests.support.facts import described_facts, probed_facts
from tests.support.machines import features, machines, random_machine
from tests.support.oracles import (
    INEXPRESSIBLE,
    agrees,
    disagreements,
    lscpu_facts,
    lstopo_facts,
    silence,
    unavailable,
)
from tests.support.parts import KindsBy, Numbering, Part, Sharing
from tests.support.recorded_files import in_memory
from tests.support.recorded_machines import MACHINES as RECORDED
from tests.support.trees import build

READERS = {"probe": lambda root: probed_facts(probe(root).machine), "lscpu": lscpu_facts, "lstopo": lstopo_facts}
TOOLS = ("lscpu", "lstopo")

# Trees of over 1024 CPUs take seconds to write, so there are just these: eight sockets of two nodes, and hybrids.
HUGE = (
    Described(
        sockets=8,
        nodes_per_socket=2,
        cores_per_node=33,
        smt=2,
        numbering=Numbering.ROUND_ROBIN,
        id_gaps=((1000, 64),),
        offline=(0, 700),
        memory_node_ids=(40,),
        l3=Sharing.CLUSTER,
        old_kernel=True,
    ),
    Described(
        sockets=16,
        cores_per_node=66,
        core_id_step=2,
        efficient_cores=3,
        kinds_by=KindsBy.CAPACITY,
        missing=(Part.CACHE,),
    ),
)
SEEDS = (*range(200), 404)  # the last brings a pair of oddities that is rare
GENERATED = (*(random_machine(Random(seed)) for seed in SEEDS), *HUGE)

# Half of the machines lack none of what a tool needs for a fact; most facts are compared far more often.
LEAST_ASKED = 100
LEAST_MACHINES = {"more than 1024 CPUs": 2}
LEAST_MACHINES_OF_A_FEATURE = 10
ODDITIES = (
    "offline CPUs",
    "cpu0 offline",
    "CPU ids with gaps",
    "node ids with gaps",
    "package ids with gaps",
    "nodes with memory only",
    "nodes without memory",
    "several nodes in a socket",
    "several sockets in a node",
    "an old kernel",
    "topology folder missing",
    "cache folder missing",
    "node folder missing",
)


@dataclass(frozen=True)
class Checked:
    """A machine, and by tool what it was asked for and got wrong."""

    machine: Described
    asked: dict[str, frozenset[str]]
    wrong: dict[str, dict[str, tuple[object, object]]]


@pytest.fixture(scope="module")
def checked() -> list[Checked]:
    """All generated machines, read by the probe and by the tools that are here."""
    readers = [name for name in READERS if name == "probe" or unavailable(name) is None]
    return [_check(machine, readers) for machine in GENERATED]


def _check(machine: Described, readers: list[str]) -> Checked:
    wanted = described_facts(machine)
    asked = {tool: frozenset(fact for fact in wanted if silence(tool, fact, machine) is None) for tool in readers}
    with in_memory() as folder:
        root = build(machine, Path(folder))
        found = {tool: READERS[tool](root) for tool in readers if asked[tool]}
    wrong = {tool: disagreements(tool, machine, wanted, facts) for tool, facts in found.items()}
    return Checked(machine, asked, wrong)


def _wrong(checked: list[Checked], tool: str) -> list[str]:
    return [f"{one.machine}: {one.wrong[tool]}" for one in checked if one.wrong.get(tool)]


def test_every_feature_and_pair_of_oddities_is_generated() -> None:
    """No shape that servers come in is left out, and oddities also come together."""
    count = Counter(feature for machine in GENERATED for feature in features(machine))
    print(f"{len(GENERATED)} machines, {sum(len(machine.cpus) for machine in GENERATED)} CPUs")
    print("\n".join(f"{number:4} {feature}" for feature, number in count.most_common()))
    assert len(set(GENERATED)) == len(GENERATED)
    assert len(count) == 46
    rare = {name: n for name, n in count.items() if n < LEAST_MACHINES.get(name, LEAST_MACHINES_OF_A_FEATURE)}
    assert not rare
    pairs = Counter(
        pair for machine in GENERATED for pair in combinations(ODDITIES, 2) if {*pair} <= features(machine)
    )
    impossible = {("several nodes in a socket", "several sockets in a node")}
    assert {*combinations(ODDITIES, 2)} - {*pairs} == impossible


def test_the_probe_finds_just_what_was_described(checked: list[Checked]) -> None:
    """Every fact of every machine is exact; only the ids that the kernel doesn't give are invented."""
    assert not _wrong(checked, "probe")
    count = Counter(fact for one in checked for fact in one.asked["probe"])
    made_up = {fact: number for fact, number in count.items() if number < len(checked)}
    assert set(made_up) == {"package_ids", "node_sockets"}
    assert min(made_up.values()) >= len(checked) - 15


@pytest.mark.parametrize("tool", TOOLS)
def test_independent_tools_find_what_was_described(checked: list[Checked], tool: str) -> None:
    """Lscpu and lstopo agree with the description, and so with the probe, in all facts that they report."""
    if reason := unavailable(tool):
        pytest.skip(reason)
    assert not _wrong(checked, tool)
    count = Counter(fact for one in checked for fact in one.asked[tool])
    print(tool, dict(count))
    for fact in ("cpus", "cores", "sockets", "nodes", "node_cpus", "caches", "cache_bytes"):
        assert count[fact] >= LEAST_ASKED
    assert tool == "lscpu" or min(count["package_ids"], count["memory_bytes"], count["distances"]) >= LEAST_ASKED


def test_every_silence_of_a_tool_is_met() -> None:
    """No fact is left out of the comparison for a kind of machine that isn't there."""
    for rule in INEXPRESSIBLE:
        assert any(rule.applies(machine) for machine in GENERATED), rule.reason


@settings(max_examples=60, deadline=None, derandomize=True)
@given(machine=machines())
def test_any_machine_is_exact(machine: Described) -> None:
    """Whatever machine hypothesis comes up with is found as described; a failure is shrunk to a small one."""
    with in_memory() as folder:
        found = probed_facts(probe(build(machine, Path(folder))).machine)
    assert disagreements("probe", machine, described_facts(machine), found) == {}


def test_ids_up_to_the_bound_are_believed(tmp_path: Path) -> None:
    """The highest CPU id and node id that any kernel could give are read as they are."""
    machine = Described(cores_per_node=2, id_gaps=((1, 16_382),), cpu_node_ids=(16_383,))
    found = probed_facts(probe(build(machine, tmp_path)).machine)
    assert found == described_facts(machine)


# What can't be compared of the recorded machines; of flags lscpu shows all, and lstopo none.
RECORDED_FACTS = {
    "lscpu": {"cpus", "cores", "sockets", "nodes", "node_cpus", "caches", "cache_bytes", "model_name"},
    "lstopo": {
        *("cpus", "cores", "sockets", "package_ids", "nodes", "node_cpus", "caches", "cache_bytes", "model_name"),
        *("memory_bytes", "distances"),
    },
}
RECORDED_WITHOUT = {
    ("lscpu", "20em64t-hybrid-1p6c2t+2ca4co1t"): ({"cache_bytes"}, "it has one size for both kinds of cores"),
    ("lstopo", "20em64t-hybrid-1p6c2t+2ca4co1t"): ({"distances"}, "it has none of a single node"),
    ("lstopo", "16em64t-4s2c2t"): ({"distances"}, "it has none of a single node"),
    ("lstopo", "16em64t-4s2c2t-offlines"): ({"distances"}, "it has none of a single node"),
    ("lscpu", "16em64t-4s2c2t"): (RECORDED_FACTS["lscpu"], "it refuses a tree without cpu/possible"),
    ("lscpu", "16em64t-4s2c2t-offlines"): (RECORDED_FACTS["lscpu"], "it refuses a tree without cpu/possible"),
}


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded machines in {RECORDED}")
@pytest.mark.parametrize("archive", sorted(RECORDED.glob("*.tar.gz")), ids=lambda path: path.name.split(".")[0])
def test_independent_tools_agree_on_recorded_machines(archive: Path) -> None:
    """On real machines' trees, too, lscpu and lstopo find what the probe finds."""
    tools = [tool for tool in TOOLS if unavailable(tool) is None]
    if not tools:
        pytest.skip("neither lscpu nor lstopo is installed")
    with in_memory() as folder, tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
        facts = probed_facts(probe(Path(folder)).machine)
        for tool in tools:
            left_out, _ = RECORDED_WITHOUT.get((tool, archive.name.removesuffix(".tar.gz")), (set(), ""))
            reported = RECORDED_FACTS[tool] - left_out
            found = READERS[tool](Path(folder)) if reported else {}
            assert {fact for fact in reported if not agrees(facts[fact], found[fact])} == set(), tool


def test_a_wrong_fact_is_noticed(tmp_path: Path) -> None:
    """The comparison isn't blind: another description disagrees with each tool on the same tree."""
    machine = Described(sockets=2, cores_per_node=2, smt=2)
    root = build(machine, tmp_path)
    other = described_facts(replace(machine, l3=Sharing.NONE, nodes_per_socket=2, cores_per_node=1))
    for tool, read in READERS.items():
        if unavailable(tool) is None or tool == "probe":
            assert {"caches", "nodes", "node_cpus"} <= set(disagreements(tool, machine, other, read(root)))
