"""Spaces on machines of many shapes, counted against a second, simpler count."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import InfeasibleError, SpaceError
from autotp.space.aliases.predictor import Predictor
from autotp.space.bound_space import BoundSpace, Dropped, bind
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import Choice, config_of
from autotp.space.schema.space_file import Space, load_space, parse_space
from autotp.topology.probe import narrow, probe
from tests.support.bound_spaces import SHIPPED, bound, configs, reasons
from tests.support.machines import machines
from tests.support.named_machines import MACHINES, NAMES, separate_sockets, topology
from tests.support.trees import Described, build

SPACES = Path(__file__).parents[2] / "search_spaces"
Setting = Any
Chosen = Mapping[str, Setting]


def choices(name: str, knob: str, *items: object) -> tuple[object, ...]:
    """What a knob's items become on a machine; nothing where all are dropped."""
    space = parse_space({"knobs": {knob: list(items)}}, "a test")
    return next((found.choices for found in bind(space, topology(name)).knobs), ())


def values(space: BoundSpace, *knobs: str) -> list[tuple[object, ...]]:
    """The values of `knobs` in every config, in order."""
    return [tuple(config.get(knob) for knob in knobs) for config in configs(space)]


@pytest.mark.parametrize(
    ("name", "per_node", "per_socket", "each_socket", "divisors"),
    [
        ("1x8", 1, 1, (1,), (1, 2, 4, 8)),
        ("2x1", 2, 2, (1, 2), (1, 2)),
        ("2x6", 2, 2, (1, 2), (1, 2, 3, 4, 6, 12)),
        ("4x4", 4, 4, (1, 2, 3, 4), (1, 2, 4, 8, 16)),
        ("2 sockets in one node", 1, 2, (1,), (1, 2, 4, 8)),
        ("smt 2", 2, 2, (1, 2), (1, 2, 4, 8)),
        ("snc", 4, 2, (1, 2), (1, 2, 3, 4, 6, 12)),
    ],
)
def test_words_become_the_machine_s_numbers(
    name: str, per_node: int, per_socket: int, each_socket: tuple[int, ...], divisors: tuple[int, ...]
) -> None:
    """Nodes, sockets, each degree, and of the physical cores the divisors and all but one."""
    assert choices(name, "num_streams", "per_node") == (per_node,)
    assert choices(name, "num_streams", "per_socket") == (per_socket,)
    assert choices(name, "split_count", "each_socket") == each_socket
    assert choices(name, "num_streams", "divisors") == divisors
    assert choices(name, "inference_num_threads", "all_but_one") == (divisors[-1] - 1,)
    assert choices(name, "num_streams", "default") == (None,)


def test_words_mean_the_envelope() -> None:
    """In a container on sockets 1 and 3 with three cores, words count what the process may use."""
    here = narrow(topology("4x4"), (5, 6, 12))
    space = {"num_streams": ["per_node"], "nireq": ["divisors"], "split_count": ["each_socket"]}
    found = bind(parse_space({"knobs": space}, "a test"), here)
    assert {knob.name: knob.choices for knob in found.knobs} == {
        "num_streams": (2,),
        "nireq": (1, 3),
        "split_count": (1, 2),
    }


def test_equal_values_are_one() -> None:
    """Words and values that mean the same number are tried once, in the order written."""
    assert choices("4x4", "num_streams", 2, "per_socket", 4, "divisors", "per_node") == (2, 4, 1, 8, 16)


def test_multiples_follow_the_other_knob() -> None:
    """A multiple is computed for each value of the other knob; where that isn't set, neither is it."""
    space = bound("1x8", num_streams=["default", 2, 4], nireq={"multiple_of": "num_streams", "by": [1, 3]})
    assert values(space, "num_streams", "nireq") == [(None, None), (2, 2), (2, 6), (4, 4), (4, 12)]


def test_a_product_that_can_not_run_is_dropped() -> None:
    """A multiple beyond what the process may use is dropped with a reason, like a value."""
    threads = {"multiple_of": "num_streams", "by": [1, 2, 4]}
    space = bound("1x8", num_streams=[1, 4], inference_num_threads=threads)
    census = space.census()
    assert (census.configs, census.effective_configs) == (5, 5)
    reason = "inference_num_threads=16: the process may use 8 CPU(s)"
    assert census.dropped == (Dropped("combination", reason, 1),)


def test_conditions_decide_what_is_set() -> None:
    """A knob is set only where its condition is met: a value, one of a list, a word, or not set."""
    space = bound(
        "4x4",
        num_streams=["default", 1, "per_node", 8],
        nireq={"values": [5], "when": {"num_streams": ["per_node", 8]}},
        inference_precision_hint={"values": ["f32"], "when": {"num_streams": 1}},
        enable_cpu_pinning={"values": [False], "when": {"num_streams": "default"}},
    )
    assert values(space, "num_streams", "nireq", "inference_precision_hint", "enable_cpu_pinning") == [
        (None, None, None, False),
        (1, None, "f32", None),
        (4, 5, None, None),
        (8, 5, None, None),
    ]


def test_all_conditions_must_hold() -> None:
    """Several conditions mean all of them; a condition on a knob that isn't set is unmet."""
    split = {"values": [2], "when": {"distribution_policy": "tensor_parallel", "num_streams": 1}}
    policy = {"values": ["tensor_parallel"], "when": {"num_streams": [1, 2]}}
    space = bound("2x6", num_streams=[1, 2, 3], distribution_policy=policy, split_count=split)
    assert values(space, "num_streams", "split_count") == [(1, 2), (2, None), (3, None)]


@pytest.mark.parametrize(
    ("name", "knobs", "what", "reason"),
    [
        (
            "2x6",
            {"distribution_policy": ["pipeline_parallel", "none"]},
            "distribution_policy=pipeline_parallel",
            "the CPU plugin refuses it",
        ),
        (
            "1x8",
            {"distribution_policy": ["none", "tensor_parallel"]},
            "distribution_policy=tensor_parallel",
            "this process may use 1 socket(s), so the policy would do nothing",
        ),
        (
            "2 sockets in one node",
            {"distribution_policy": ["none", "tensor_parallel"]},
            "distribution_policy=tensor_parallel",
            "no NUMA nodes separate the 2 sockets, so the policy would do nothing",
        ),
        (
            "2x6",
            {"num_streams": [2], "distribution_policy": ["tensor_parallel"]},
            "combination",
            "with 2 streams tensor_parallel has no effect",
        ),
        (
            "2x6",
            {"performance_hint": ["throughput"], "distribution_policy": ["tensor_parallel"]},
            "combination",
            "with the streams of the THROUGHPUT hint tensor_parallel has no effect",
        ),
        (
            "2x6",
            {"split_count": [1, 2], "split_min_weights": [0]},
            "combination",
            "split_min_weights has no effect without a split in the graph",
        ),
        (
            "2x6",
            {"distribution_policy": ["tensor_parallel"], "split_count": [1, 3]},
            "combination",
            "split_count=3 needs more sockets than the 2 that this process may use",
        ),
        ("1x8", {"num_streams": [1, 9]}, "num_streams=9", "the process may use 8 CPU(s)"),
        ("1x8", {"inference_num_threads": [8, 16]}, "inference_num_threads=16", "the process may use 8 CPU(s)"),
        ("2x6", {"numa_nodes": [1, 3]}, "numa_nodes=3", "the process may use 2 node(s)"),
        ("2x6", {"numa_nodes": [[0, 1], [1, 5]]}, "numa_nodes=[1, 5]", "the process may not use node 5"),
        (
            "2x6",
            {"enable_hyper_threading": ["default", True]},
            "enable_hyper_threading=true",
            "no SMT here, so the property has no effect",
        ),
        (
            "1x8",
            {"inference_precision_hint": ["f32", "f16"]},
            "inference_precision_hint=f16",
            "less exact than the default bf16 here; `allow_precision='f16'` admits it",
        ),
        (
            "1x8 avx2",
            {"inference_precision_hint": ["f32", "bf16"]},
            "inference_precision_hint=bf16",
            "less exact than the default f32 here; `allow_precision='bf16'` admits it",
        ),
        (
            "snc",
            {"distribution_policy": ["tensor_parallel"], "numa_nodes": [2], "split_count": [1, 2]},
            "combination",
            "split_count=2 needs more sockets than the 1 that this process may use",
        ),
    ],
)
def test_what_can_not_run_is_dropped_with_its_reason(
    name: str, knobs: dict[str, Any], what: str, reason: str
) -> None:
    """A valid value or combination that has no effect or can't run here isn't tried, and says why."""
    space = bound(name, **knobs)
    assert (what, reason) in reasons(space).items()
    assert all(space.why_not(config) is None for config in space.effective())


def test_dropped_combinations_are_counted_apart() -> None:
    """`configs` counts what can run; what can't is counted with its reason."""
    space = bound(
        "2x6", num_streams=[1, 2, 3], distribution_policy=["none", "tensor_parallel"], split_count=[1, 2]
    )
    census = space.census()
    dropped = {found.reason: found.configs for found in census.dropped}
    assert dropped == {
        "with 2 streams tensor_parallel has no effect": 2,
        "with 3 streams tensor_parallel has no effect": 2,
    }
    assert census.configs + sum(count or 0 for count in dropped.values()) == space.grid.size == 12
    assert census.configs == 8


def test_lossy_precision_is_opt_in() -> None:
    """A precision below the default comes in by name only; raising it needs no leave."""
    hint = {"inference_precision_hint": ["default", "f32", "bf16", "f16"]}

    def kept(name: str, *allowed: str) -> list[tuple[object, ...]]:
        return values(bound(name, allowed, **hint), "inference_precision_hint")

    assert kept("1x8") == [(None,), ("f32",), ("bf16",)]
    assert kept("1x8", "f16") == [(None,), ("f32",), ("bf16",), ("f16",)]
    assert kept("1x8 avx2") == [(None,), ("f32",)]
    assert kept("1x8 avx2", "bf16") == [(None,), ("f32",), ("bf16",)]


def test_a_knob_is_left_to_openvino_with_what_depends_on_it() -> None:
    """Without streams there are no multiples of them; what can't run or isn't in the space has no number."""
    space = bound(
        "2x6",
        num_streams=["default", 1, 2],
        nireq={"multiple_of": "num_streams", "by": [1, 2]},
        inference_precision_hint=["default", "f32"],
    )
    streams, f32 = {"num_streams": 2, "nireq": 4}, {"inference_precision_hint": "f32"}
    config = Config.of({**streams, **f32})
    assert space.reset(config, "num_streams") == Config.of(f32)
    assert space.reset(config, "inference_precision_hint") == Config.of(streams)
    numbers = [space.number(Config.of(settings)) for settings in ({**streams, **f32}, streams, f32, {})]
    assert None not in numbers
    assert len(set(numbers)) == 4
    assert space.number(Config.of({"num_streams": 3})) is None


def test_a_fixed_knob_holds_in_every_config() -> None:
    """`--fix` is kept whatever conditions the knob had; what depended on it follows."""
    here = topology("2x6")
    fixed = load_space("default").fixed({"num_streams": 3, "distribution_policy": "none"})
    found = configs(bind(fixed, here))
    assert {(c.get("num_streams"), c.get("distribution_policy"), c.get("split_count")) for c in found} == {
        (3, "none", None)
    }
    assert {c.get("nireq") for c in found} == {3, 6, 12}
    native = {"distribution_policy": "tensor_parallel", "num_streams": 1, "nireq": 1}
    split = bind(load_space("default").fixed(native), here)
    assert {(c.get("split_count"), c.get("nireq")) for c in configs(split)} == {(1, 1), (2, 1)}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("space", SHIPPED)
def test_every_shipped_space_binds_on_every_machine(space: str, name: str) -> None:
    """Each leaves something to try everywhere, all of it valid, and any word counts as written."""
    found = bind(load_space(space), topology(name))
    census = found.census()
    assert 1 <= census.effective_configs <= census.configs
    assert len(list(found.effective())) == census.effective_configs
    for config in found.effective():
        assert Config.of(config.to_dict()) == config


def test_default_varies_what_the_machine_allows() -> None:
    """On two sockets the default space varies degree, streams, requests and policy."""
    found = list(bind(load_space("default"), topology("2x6")).effective())
    seen = {
        knob: {config.get(knob) for config in found}
        for knob in ("split_count", "num_streams", "nireq", "distribution_policy")
    }
    assert seen["split_count"] >= {1, 2}
    assert seen["num_streams"] >= {1, 2, 3, 4, 6, 12}
    assert seen["nireq"] >= {1, 2, 4, 12}
    assert seen["distribution_policy"] == {None, "none", "tensor_parallel"}


def test_default_needs_no_second_socket() -> None:
    """On one socket it still varies streams and requests, and says why the policy isn't tried."""
    space = bind(load_space("default"), topology("1x8"))
    assert {config.get("num_streams") for config in space.effective()} == {None, 1, 2, 4, 8}
    assert "distribution_policy=tensor_parallel" in reasons(space)
    assert not any(config.tensor_parallel for config in configs(space))


@pytest.mark.parametrize("space", SHIPPED)
def test_choose_reaches_every_config_and_no_other(space: str) -> None:
    """Any choice for each knob makes a config of the space, and all of them make every one."""
    found = bind(load_space(space), topology("2x6"))
    names = [knob.name for knob in found.knobs]
    chosen = product(*(knob.choices for knob in found.knobs))
    made = {_config(found, dict(zip(names, choices, strict=True))) for choices in chosen}
    assert made == set(configs(found))


def _config(space: BoundSpace, choices: Mapping[str, Choice]) -> Config:
    """The config that `choices` give, one by one; those of inactive knobs are ignored."""
    chosen: dict[str, Choice] = {}
    for knob in space.knobs:
        chosen[knob.name] = knob.value(choices[knob.name] if knob.active(chosen) else None, chosen)
    return config_of(chosen)


# The second count. It knows the description of the machine, not what `probe` found, and how combinations are made.


def _second_count(knobs: Mapping[str, Any], name: str) -> tuple[int, int]:
    """How many configs can run with an effect of their own, and how many identities they have, one by one."""
    machine = MACHINES[name]
    lists_first = sorted(knobs.items(), key=lambda knob: isinstance(knob[1], dict))
    run = [chosen for chosen in _combinations(lists_first, {}, machine) if _runs(chosen, machine)]
    configs = [Config.of({k: v for k, v in chosen.items() if v is not None}) for chosen in run]
    predictor = Predictor(topology(name))
    return len(run), len({predictor.identity(config) for config in configs})


def _combinations(
    knobs: list[tuple[str, Any]], chosen: dict[str, Setting], machine: Described
) -> Iterator[dict[str, Setting]]:
    if not knobs:
        yield chosen
        return
    (name, entry), rest = knobs[0], knobs[1:]
    options: list[Setting] = [None]
    if isinstance(entry, list):
        options = _numbers(name, entry, machine)
    elif "multiple_of" in entry and chosen[entry["multiple_of"]] is not None:
        options = [chosen[entry["multiple_of"]] * factor for factor in entry["by"]]
    elif "values" in entry and all(
        chosen[other] in _numbers(other, wanted if isinstance(wanted, list) else [wanted], machine)
        for other, wanted in entry.get("when", {}).items()
    ):
        options = _numbers(name, entry["values"], machine)
    for option in options:
        yield from _combinations(rest, {**chosen, name: option}, machine)


def _numbers(name: str, items: list[Any], machine: Described) -> list[Setting]:
    """The numbers that `items` mean, without those that this machine can't run."""
    cores = machine.cores
    words: dict[str, list[Setting]] = {
        "default": [None],
        "per_node": [machine.numa_nodes],
        "per_socket": [machine.sockets],
        "each_socket": list(range(1, separate_sockets(machine) + 1)),
        "divisors": [count for count in range(1, cores + 1) if not cores % count],
        "all_but_one": [max(1, cores - 1)],
    }
    numbers = [n for item in items for n in words.get(str(item), [item])]
    most = {
        "num_streams": machine.logical_cpus,
        "inference_num_threads": machine.logical_cpus,
        "numa_nodes": machine.numa_nodes,
    }.get(name, 10**6)
    as_ever = {"instances": 1, "numa_nodes": machine.numa_nodes}.get(name)
    kept = [n for n in numbers if n is None or not isinstance(n, int) or n <= most]
    kept = [None if n == as_ever else n for n in kept]
    if name == "enable_hyper_threading" and machine.smt == 1:
        kept = [n for n in kept if n is None]
    if name == "distribution_policy" and (machine.sockets < 2 or machine.numa_nodes < 2):
        kept = [n for n in kept if n != "tensor_parallel"]
    kept = [n for index, n in enumerate(kept) if n not in kept[:index]]
    return kept or [None]


def _runs(chosen: Chosen, machine: Described) -> bool:
    streams, threads, split = (chosen.get(k) for k in ("num_streams", "inference_num_threads", "split_count"))
    parallel = chosen.get("distribution_policy") == "tensor_parallel"
    if any((count or 0) > machine.logical_cpus for count in (streams, threads)):
        return False
    used, instances = chosen.get("numa_nodes") or machine.numa_nodes, chosen.get("instances") or 1
    if used % instances and (instances % used or machine.cores_per_node % (instances // used)):
        return False
    if not parallel:
        return (split or 1) > 1 or chosen.get("split_min_weights") is None
    if chosen.get("split_min_weights") is not None:
        return False
    nodes = range(max(1, used // instances))
    spanned = {socket // machine.sockets_per_node for node in nodes for socket in machine.sockets_of_node(node)}
    return (streams or 1) == 1 and (split or 1) <= len(spanned)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("space", SHIPPED)
def test_the_census_of_shipped_spaces_agrees_with_the_second_count(space: str, name: str) -> None:
    """Configs and effective configs of each shipped space on each machine are as counted independently."""
    knobs = yaml.safe_load((SPACES / f"{space}.yaml").read_text())["knobs"]
    census = bind(load_space(space), topology(name)).census()
    assert (census.configs, census.effective_configs) == _second_count(knobs, name)


def _some(*items: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(items), min_size=1, max_size=3)


WRITTEN = st.fixed_dictionaries(
    {"num_streams": _some("default", 1, 2, 3, 8, 99, "per_node", "per_socket", "divisors")},
    optional={
        "nireq": _some("default", 1, 2, 7) | st.just({"multiple_of": "num_streams", "by": [1, 2]}),
        "inference_num_threads": _some("default", 1, 2, 8, "divisors", "all_but_one")
        | st.just({"multiple_of": "num_streams", "by": [1, 2, 4]}),
        "inference_precision_hint": _some("default", "f32"),
        "distribution_policy": _some("none", "tensor_parallel", "default")
        | st.just({"values": ["none", "tensor_parallel"], "when": {"num_streams": [1, 2]}}),
        "split_count": _some("default", 1, 2, 3, "each_socket"),
        "split_min_weights": _some("default", 0, 1000),
        "numa_nodes": _some("default", 1, 2, 3, "per_node")
        | st.just({"values": ["default", 1], "when": {"num_streams": 1}}),
        "enable_cpu_pinning": _some("default", True, False),
        "enable_hyper_threading": _some("default", True),
    },
)


@settings(deadline=None)
@given(WRITTEN, NAMES)
def test_any_census_agrees_with_the_second_count(knobs: dict[str, Any], name: str) -> None:
    """Whatever the space and the machine, configs of one identity are merged, and only they."""
    space: Space = parse_space({"knobs": knobs}, "a test")
    census = bind(space, topology(name)).census()
    assert (census.configs, census.effective_configs) == _second_count(knobs, name)


def test_a_knob_that_means_nothing_to_the_workload_is_dropped() -> None:
    """It is dropped with the workload's reason; fixed by the user, the knob is refused with it."""
    void = {"nireq": "a language model generates in one request"}
    space = parse_space({"knobs": {"nireq": [1, 2], "num_streams": [1, 2]}}, "a test")
    found = bind(space, topology("1x8"), void_knobs=void)
    assert [knob.name for knob in found.knobs] == ["num_streams"]
    assert reasons(found)["nireq"] == void["nireq"]
    with pytest.raises(SpaceError, match=r"^nireq can't be set: a language model generates in one request\.$"):
        bind(space.fixed({"nireq": 1}), topology("1x8"), void_knobs=void)


def test_a_knob_fixed_at_a_value_that_cannot_run_is_infeasible() -> None:
    """A fixed value is never silently dropped: the error says why it can't run."""
    with pytest.raises(InfeasibleError, match=r"num_streams=64 can't run here: the process may use 8"):
        bind(load_space("default").fixed({"num_streams": 64}), topology("1x8"))


@settings(deadline=None, max_examples=60)
@given(machines())
def test_every_shipped_space_binds_on_any_machine(machine: Described) -> None:
    """Whatever the kernel says about it: missing folders, offline CPUs, nodes of one CPU, SMT 8, arm64."""
    with TemporaryDirectory() as folder:
        here = probe(build(machine, Path(folder) / "machine"))
    for name in SHIPPED:
        census = bind(load_space(name), here).census()
        assert 1 <= census.effective_configs <= census.configs
