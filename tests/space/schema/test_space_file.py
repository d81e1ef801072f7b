"""What a space's file may say, and how it is refused when it says something else."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import SpaceError
from autotp.space.knobs.table import KNOBS, Word
from autotp.space.schema.space_file import Condition, KnobSpec, Space, load_space, named_spaces, parse_space
from tests.support.bound_spaces import SHIPPED


def space(**knobs: Any) -> Space:
    """The space of these knobs."""
    return parse_space({"knobs": knobs}, "a test")


def refused(data: object) -> str:
    """Why `data` is not a space."""
    with pytest.raises(SpaceError) as caught:
        parse_space(data, "a.yaml")
    assert str(caught.value).startswith("a.yaml: ")
    assert str(caught.value).count("a.yaml") == 1
    return str(caught.value)


def test_the_issue_s_example_is_read(tmp_path: Path) -> None:
    """Lists, words, multiples and conditions become specs."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: throughput\n"
        "knobs:\n"
        "  num_streams: [1, per_node, per_socket, divisors]\n"
        "  nireq: {multiple_of: num_streams, by: [1, 2, 4]}\n"
        "  inference_precision_hint: [default, f32]\n"
        "  distribution_policy: {values: [none, tensor_parallel], when: {num_streams: 1}}\n"
        "  split_count: {values: [each_socket], when: {distribution_policy: tensor_parallel}}\n"
    )
    found = load_space(str(path))
    specs = {spec.knob.name: spec for spec in found.specs}
    assert found.name == "throughput"
    assert specs["num_streams"].items == (1, Word.PER_NODE, Word.PER_SOCKET, Word.DIVISORS)
    assert specs["nireq"] == KnobSpec(knob=KNOBS["nireq"], items=(1, 2, 4), multiple_of="num_streams")
    assert specs["inference_precision_hint"].items == (Word.DEFAULT, "f32")
    assert specs["distribution_policy"].when == (Condition("num_streams", (1,)),)
    assert specs["split_count"].when == (Condition("distribution_policy", ("tensor_parallel",)),)


def test_a_space_without_a_name_has_its_file_s(tmp_path: Path) -> None:
    """`name` is optional."""
    path = tmp_path / "mine.yaml"
    path.write_text("knobs: {nireq: [1]}\n")
    assert load_space(str(path)).name == "mine"


def test_no_is_not_a_flag(tmp_path: Path) -> None:
    """`no` in a file is text, so a flag refuses it and says what it takes."""
    path = tmp_path / "mine.yaml"
    path.write_text("knobs: {enable_cpu_pinning: [no]}\n")
    with pytest.raises(SpaceError, match="'no' isn't a valid value; it takes true or false"):
        load_space(str(path))


def test_knobs_stand_after_those_they_need() -> None:
    """However the file orders them, a knob comes after those that it depends on."""
    found = space(
        split_count={"values": [1], "when": {"distribution_policy": "tensor_parallel"}},
        distribution_policy={"values": ["tensor_parallel"], "when": {"num_streams": [1, 2]}},
        nireq={"multiple_of": "num_streams", "by": [2]},
        num_streams=[1, 2],
    )
    order = [spec.knob.name for spec in found.specs]
    for spec in found.specs:
        assert all(order.index(other) < order.index(spec.knob.name) for other in spec.needs)


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ({"nstreams": [1]}, "There is no knob 'nstreams'; the knobs are "),
        ({"num_streams": []}, "num_streams: an empty list; give at least one value."),
        ({"num_streams": {"values": []}}, "num_streams: an empty list"),
        ({"num_streams": 2}, "num_streams takes a list, {values, when} or {multiple_of, by}, not 2."),
        ({"num_streams": None}, "num_streams takes a list"),
        ({"num_streams": "auto"}, "num_streams takes a list"),
        ({"num_streams": ["auto"]}, "num_streams: 'auto' isn't a valid value"),
        ({"num_streams": [0]}, "num_streams: 0 isn't a valid value; it takes a whole number, 1 or more."),
        ({"num_streams": [1.0]}, "num_streams: 1.0 isn't a valid value"),
        ({"num_streams": [True]}, "num_streams: true isn't a valid value"),
        ({"num_streams": [[1]]}, "num_streams: [1] isn't a valid value"),
        ({"enable_cpu_pinning": ["per_node"]}, "enable_cpu_pinning: 'per_node' isn't a valid value"),
        ({"performance_hint": ["divisors"]}, "performance_hint: 'divisors' isn't a valid value"),
        ({"num_streams": {}}, "num_streams: key 'values' is missing"),
        ({"num_streams": {"values": [1], "if": {}}}, "unknown key 'if'; allowed: values, when"),
        ({"num_streams": {"values": 1}}, "num_streams: values: 1 isn't a list"),
        ({"num_streams": {"values": [1], "when": []}}, "num_streams: when: a list isn't a mapping"),
        (
            {"nireq": {"values": [1], "when": {"num_streams": []}}, "num_streams": [1]},
            "num_streams: an empty list",
        ),
        ({"nireq": {"values": [1], "when": {"num_streams": "x"}}, "num_streams": [1]}, "num_streams: 'x' isn't"),
        ({"nireq": {"values": [1], "when": {"streams": 1}}}, "There is no knob 'streams'"),
        ({"nireq": {"values": [1], "when": {"num_streams": 1}}}, "nireq depends on num_streams, which this space"),
        ({"nireq": {"values": [1], "when": {"nireq": 1}}}, "nireq: its `when` names itself."),
        ({"nireq": {"multiple_of": "num_streams"}}, "nireq: key 'by' is missing"),
        ({"nireq": {"by": [1]}}, "nireq: key 'multiple_of' is missing"),
        ({"nireq": {"multiple_of": "num_streams", "by": []}, "num_streams": [1]}, "nireq: an empty list"),
        ({"nireq": {"multiple_of": "num_streams", "by": [0]}, "num_streams": [1]}, "nireq: 0 isn't"),
        ({"nireq": {"multiple_of": "num_streams", "by": ["divisors"]}, "num_streams": [1]}, "not words"),
        ({"nireq": {"multiple_of": "num_streams", "by": [1], "values": [1]}}, "unknown key 'values'"),
        ({"nireq": {"multiple_of": "num_streams", "by": [1]}}, "nireq depends on num_streams"),
        ({"nireq": {"multiple_of": "streams", "by": [1]}}, "There is no knob 'streams'"),
        ({"nireq": {"multiple_of": "performance_hint", "by": [1]}}, "performance_hint isn't one"),
        ({"nireq": {"multiple_of": "numa_nodes", "by": [1]}, "numa_nodes": [1]}, "numa_nodes isn't one"),
        (
            {
                "enable_cpu_pinning": {"multiple_of": "enable_hyper_threading", "by": [True]},
                "enable_hyper_threading": [True],
            },
            "enable_cpu_pinning isn't one",
        ),
        ({"nireq": {"multiple_of": "nireq", "by": [2]}}, "circle: nireq → nireq"),
        (
            {
                "nireq": {"values": [1], "when": {"num_streams": 1}},
                "num_streams": {"values": [1], "when": {"nireq": 1}},
            },
            "the knobs depend on each other in a circle",
        ),
        (
            {
                "nireq": {"multiple_of": "num_streams", "by": [1]},
                "num_streams": {"values": [1], "when": {"split_count": 1}},
                "split_count": {"values": [1], "when": {"nireq": 1}},
            },
            "in a circle",
        ),
    ],
)
def test_a_bad_knob_is_refused(knobs: dict[str, Any], reason: str) -> None:
    """An unknown knob, a wrong type, an empty list, a dangling or circular dependence: one sentence."""
    assert reason in refused({"knobs": knobs})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "null isn't a mapping"),
        ([], "a list isn't a mapping"),
        ({}, "key 'knobs' is missing"),
        ({"knobs": {}}, "`knobs` is empty; name at least one knob to vary."),
        ({"knobs": []}, "knobs: a list isn't a mapping"),
        ({"knobs": None}, "knobs: null isn't a mapping"),
        ({"knobs": {"nireq": [1]}, "name": 3}, "name: 3 isn't text or null"),
        ({"knobs": {"nireq": [1]}, "seed": 3}, "unknown key 'seed'; allowed: knobs, name"),
    ],
)
def test_a_bad_file_is_refused(data: object, reason: str) -> None:
    """`knobs` is required and not empty, `name` is optional, nothing else is allowed."""
    assert reason in refused(data)


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from([*KNOBS, *Word, "f32", "none", "x"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["knobs", "name", "values", "when", "multiple_of", "by", *KNOBS]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_garbage_never_raises_anything_else(data: Any) -> None:
    """Whatever a file's data, it is a space or a SpaceError."""
    for candidate in (data, {"knobs": data}, {"knobs": {"nireq": data, "num_streams": [1]}}):
        try:
            found = parse_space(candidate, "garbage")
        except SpaceError as error:
            assert "garbage" in str(error)
        else:
            assert found.specs


def test_shipped_spaces_are_found_by_name() -> None:
    """The four spaces come with autotp, and each says when to use it."""
    assert set(SHIPPED) <= set(named_spaces())
    folder = Path(__file__).parents[3] / "search_spaces"
    for name in SHIPPED:
        assert load_space(name).name == name
        assert (folder / f"{name}.yaml").read_text().startswith("# ")


def test_an_unknown_space_lists_the_known(tmp_path: Path) -> None:
    """A name that is neither a space nor a file says which names there are; a folder isn't a file."""
    for name in ("defualt", str(tmp_path), "no/such.yaml"):
        with pytest.raises(SpaceError) as caught:
            load_space(name)
        assert all(known in str(caught.value) for known in (name, *SHIPPED))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """A file that isn't YAML names file and line."""
    path = tmp_path / "mine.yaml"
    path.write_text("knobs:\n  nireq: [1\n")
    with pytest.raises(SpaceError, match=r"mine\.yaml isn't valid YAML .* line 3"):
        load_space(str(path))


def test_a_fixed_knob_has_one_value_whatever_its_conditions() -> None:
    """`--fix` replaces a knob's entry, multiple or condition, and adds a knob that the space lacks."""
    found = load_space("default").fixed({"nireq": 3, "distribution_policy": "none", "enable_cpu_pinning": False})
    specs = {spec.knob.name: spec for spec in found.specs}
    for name, value in (("nireq", 3), ("distribution_policy", "none"), ("enable_cpu_pinning", False)):
        assert specs[name] == KnobSpec(knob=KNOBS[name], items=(value,), fixed=True)
    assert specs["split_count"].when
    assert found.name == "default"
    assert load_space("default").fixed({}) == load_space("default")


def test_a_knob_can_be_fixed_at_a_word_for_one_value() -> None:
    """`default` and `per_node` are one value each; a word for several can't be fixed."""
    for word in ("default", "per_node", "per_socket"):
        found = load_space("default").fixed({"num_streams": word})
        assert {spec.knob.name: spec.items for spec in found.specs}["num_streams"] == (Word(word),)
    for word in ("divisors", "each_socket"):
        with pytest.raises(SpaceError, match=f"num_streams: {word} stands for several values"):
            load_space("default").fixed({"num_streams": word})


def test_only_values_can_be_fixed() -> None:
    """An unknown knob or a wrong value is refused."""
    with pytest.raises(SpaceError, match="There is no knob 'streams'"):
        load_space("default").fixed({"streams": 1})
    with pytest.raises(SpaceError, match="num_streams: 0 isn't a valid value"):
        load_space("default").fixed({"num_streams": 0})
