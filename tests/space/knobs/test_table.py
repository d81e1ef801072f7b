"""Each knob takes the values of its kind and nothing that only looks like one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import SpaceError
from autotp.space.knobs.table import KNOBS, Kind, knob_named

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


WRONG: dict[str, tuple[Any, ...]] = {
    "num_streams": (0, -1, 1_000_001, 1.0, 1.5, "1", True, None, [1], {}, float("nan")),
    "split_count": (0, False, "each_socket", []),
    "split_min_weights": (-1, False, True, 0.0, "0", 10**12 + 1),
    "enable_cpu_pinning": (0, 1, "true", "yes", "NO", None, [True]),
    "performance_hint": ("LATENCY", "", "cumulative_throughput", 1, True, ["latency"]),
    "distribution_policy": ("TENSOR_PARALLEL", "tp", None),
    "inference_precision_hint": ("F32", "fp32", "int8", "", 32),
    "numa_nodes": (0, -1, True, "0", [], [-1], ["0"], [0, "1"], [True], [0.0], [[0]]),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_wrong_types_and_ranges_are_refused(name: str, value: Any) -> None:
    """A wrong type or a value out of range is a SpaceError that names the knob."""
    with pytest.raises(SpaceError, match=f"^{name}: .* isn't a valid value; it takes "):
        KNOBS[name].parse(value)


@settings(deadline=None)
@given(st.sampled_from(sorted(KNOBS)), ANYTHING)
def test_anything_is_taken_or_refused(name: str, value: Any) -> None:
    """Whatever a file holds, a knob gives back a value of its kind or raises a SpaceError."""
    knob = KNOBS[name]
    try:
        found = knob.parse(value)
    except SpaceError:
        return
    match knob.kind:
        case Kind.FLAG:
            assert isinstance(found, bool)
        case Kind.CHOICE:
            assert found in knob.choices
        case Kind.COUNT:
            assert type(found) is int and found >= 1
        case Kind.SIZE:
            assert type(found) is int and found >= 0
        case Kind.NODES:
            assert isinstance(found, tuple) or (type(found) is int and found >= 1)


def test_values_are_spelled_as_in_yaml_when_refused() -> None:
    """The text shows the value as the user wrote it."""
    for value, spelled in ((True, "true"), ("x", "'x'"), (0, "0"), ([], "[]")):
        with pytest.raises(SpaceError) as caught:
            KNOBS["num_streams"].parse(value)
        assert f"num_streams: {spelled} isn't" in str(caught.value)


def test_an_unknown_knob_lists_the_known() -> None:
    """The text names every knob there is."""
    with pytest.raises(SpaceError) as caught:
        knob_named("nstreams")
    assert all(name in str(caught.value) for name in KNOBS)


def test_the_issue_names_the_knobs() -> None:
    """The table holds the knobs promised, each under its own name."""
    assert list(KNOBS) == [knob.name for knob in KNOBS.values()]
    assert set(KNOBS) >= {
        *("performance_hint", "distribution_policy", "split_count", "num_streams", "nireq", "numa_nodes"),
        *("inference_num_threads", "enable_cpu_pinning", "enable_hyper_threading", "inference_precision_hint"),
    }
