"""A config is an immutable value with one spelling."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import SpaceError
from autotp.files.yaml_loader import parse_yaml
from autotp.files.yaml_writer import dump_yaml
from autotp.space.knobs.config import Config, spell_config
from autotp.space.knobs.table import KNOBS, Kind, Knob


def _values(knob: Knob) -> st.SearchStrategy[Any]:
    match knob.kind:
        case Kind.FLAG:
            return st.booleans()
        case Kind.CHOICE:
            return st.sampled_from(knob.choices)
        case Kind.COUNT:
            return st.integers(1, 1_000_000)
        case Kind.SIZE:
            return st.integers(0, 10**12)
        case Kind.NODES:
            return st.integers(1, 64) | st.lists(st.integers(0, 63), min_size=1, max_size=4)


SETTINGS = st.fixed_dictionaries({}, optional={name: _values(knob) for name, knob in KNOBS.items()})


@settings(deadline=None)
@given(SETTINGS, st.randoms(use_true_random=False))
def test_the_order_of_settings_does_not_matter(settings: dict[str, Any], random: Any) -> None:
    """The same settings in any order are one value with one hash and one spelling."""
    shuffled = list(settings.items())
    random.shuffle(shuffled)
    one, other = Config.of(settings), Config.of(dict(shuffled))
    assert (one, hash(one), str(one)) == (other, hash(other), str(other))
    assert [name for name, _ in one.settings] == [name for name in KNOBS if name in settings]


@settings(deadline=None)
@given(SETTINGS)
def test_a_config_survives_a_file(settings: dict[str, Any]) -> None:
    """Written to YAML and read back, a config is equal."""
    config = Config.of(settings)
    assert Config.of(parse_yaml(dump_yaml(config.to_dict()), "a test")) == config


def test_a_config_can_not_be_changed() -> None:
    """Neither the config nor what it holds can be changed, and changing what it was made of changes nothing."""
    nodes = [1, 0]
    config = Config.of({"numa_nodes": nodes})
    nodes.append(2)
    config.to_dict()["nireq"] = 3
    with pytest.raises(AttributeError):
        config.settings = ()  # type: ignore[misc]
    assert config.settings == (("numa_nodes", (0, 1)),)


def test_nodes_are_a_set() -> None:
    """The ids of nodes are sorted and single."""
    assert Config.of({"numa_nodes": [2, 0, 2]}) == Config.of({"numa_nodes": (0, 2)})


def test_settings_are_looked_up_by_name() -> None:
    """A knob that isn't set is None; `count` reads whole numbers; `without` unsets."""
    config = Config.of({"num_streams": 2, "inference_precision_hint": "f32"})
    assert (config.get("num_streams"), config.count("num_streams"), config.count("nireq")) == (2, 2, None)
    assert config.get("nireq") is None
    assert config.count("inference_precision_hint") is None
    assert config.without("num_streams", "nireq") == Config.of({"inference_precision_hint": "f32"})


def test_the_policy_is_asked_for_by_its_word() -> None:
    """Only `tensor_parallel` is tensor parallelism."""
    asked = {
        word: Config.of({"distribution_policy": word}).tensor_parallel for word in ("none", "tensor_parallel")
    }
    assert asked == {"none": False, "tensor_parallel": True}
    assert not Config().tensor_parallel


def test_properties_are_what_compile_model_gets() -> None:
    """Each knob with a property is passed in OpenVINO's spelling; the others are ours."""
    config = Config.of(
        {
            "performance_hint": "throughput",
            "distribution_policy": "tensor_parallel",
            "split_count": 2,
            "numa_nodes": [0, 1],
            "num_streams": 1,
            "inference_num_threads": 8,
            "nireq": 4,
            "enable_cpu_pinning": False,
            "enable_hyper_threading": True,
            "inference_precision_hint": "f32",
        }
    )
    assert config.properties() == {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "MODEL_DISTRIBUTION_POLICY": "TENSOR_PARALLEL",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": "8",
        "ENABLE_CPU_PINNING": "NO",
        "ENABLE_HYPER_THREADING": "YES",
        "INFERENCE_PRECISION_HINT": "f32",
    }


def test_none_is_not_passed() -> None:
    """OpenVINO refuses the words `none`, so they pass nothing."""
    assert Config.of({"performance_hint": "none", "distribution_policy": "none"}).properties() == {}


def test_configs_are_spelled_as_people_write_them() -> None:
    """Knob and value, comma between; flags and lists as in YAML."""
    config = Config.of({"numa_nodes": [1, 0], "enable_cpu_pinning": False, "nireq": 3})
    assert str(config) == "numa_nodes=[0, 1], nireq=3, enable_cpu_pinning=false"
    assert str(Config()) == "no knob set"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"nstreams": 1}, "There is no knob 'nstreams'; the knobs are performance_hint, "),
        ({"num_streams": "2"}, "num_streams: '2' isn't a valid value; it takes a whole number, 1 or more."),
        ({"num_streams": None}, "num_streams: None isn't a valid value"),
        ({"inference_precision_hint": "int8"}, "'int8' isn't a valid value; it takes f32, bf16, f16."),
    ],
)
def test_what_is_no_setting_is_refused(settings: dict[str, Any], reason: str) -> None:
    """An unknown knob lists those there are, a wrong value what the knob takes."""
    with pytest.raises(SpaceError) as caught:
        Config.of(settings)
    assert reason in str(caught.value)


def test_a_config_is_spelled_as_it_is_typed() -> None:
    """Flags are written as in YAML, and no knob has words, too."""
    assert (
        spell_config({"num_streams": 2, "enable_cpu_pinning": False}) == "num_streams=2, enable_cpu_pinning=false"
    )
    assert spell_config({}) == "no knob set"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"distribution_policy": "none", "num_streams": 1, "nireq": 2}, "num_streams=1, nireq=2"),
        ({"performance_hint": "none", "num_streams": 4}, "num_streams=4"),
        ({"split_count": 1, "num_streams": 1}, "num_streams=1"),
        ({"distribution_policy": "none", "split_count": 1, "nireq": 2}, "nireq=2"),
        (
            {"distribution_policy": "tensor_parallel", "split_count": 1},
            "distribution_policy=tensor_parallel, split_count=1",
        ),
        ({"distribution_policy": "none", "split_count": 2}, "split_count=2"),
    ],
)
def test_knobs_that_change_nothing_are_not_spelled(settings: dict[str, Any], text: str) -> None:
    """A value that isn't passed to OpenVINO and a split into one part are left out of the text alone."""
    config = Config.of(settings)
    assert spell_config(settings) == str(config) == text
    assert config.to_dict() == settings


@pytest.mark.parametrize(
    "settings",
    [
        {"performance_hint": "none"},
        {"distribution_policy": "none"},
        {"distribution_policy": "none", "split_count": 1},
    ],
)
def test_a_config_of_nothing_else_is_spelled_whole(settings: dict[str, Any]) -> None:
    """Otherwise the hint NONE would have no name."""
    assert spell_config(settings) == ", ".join(f"{name}={value}" for name, value in settings.items())


def test_a_knob_without_a_word_for_not_passed_is_spelled_at_any_value() -> None:
    """One stream and a false flag are settings like any other."""
    settings = {"num_streams": 1, "enable_cpu_pinning": False, "instances": 1}
    assert spell_config(settings) == "num_streams=1, enable_cpu_pinning=false, instances=1"
