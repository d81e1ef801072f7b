"""What people type, parsed."""

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.cli.parameters.types import CpuList, Duration, InputShape, KnobSetting, Settings, Words
from autotp.errors import SpaceError


def parsed(kind: click.ParamType[Any], text: str) -> Any:
    """What `text` is read as."""
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5s", 0.5), ("2h", 7200)]
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    """Seconds, minutes and hours, alone or together."""
    assert parsed(Duration(), text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "5x", "5 m", "m", "1e3", "five", "5ms", "nan", "inf", "1m-2s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Zero, a sign, another unit, a blank: the text shows how to write it."""
    with pytest.raises(click.BadParameter, match="90s, 5m or 1h30m"):
        parsed(Duration(), text)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("num_streams=2", ("num_streams", 2)),
        ("enable_cpu_pinning=false", ("enable_cpu_pinning", False)),
        ("numa_nodes=[0, 1]", ("numa_nodes", (0, 1))),
        ("inference_precision_hint=f32", ("inference_precision_hint", "f32")),
        (" nireq = 4", ("nireq", 4)),
    ],
)
def test_a_knob_is_set_as_yaml_reads_it(text: str, setting: tuple[str, Any]) -> None:
    """The value has the knob's type."""
    assert parsed(KnobSetting(), text) == setting


@pytest.mark.parametrize(
    "text", ["num_streams", "num_streams=", "=2", "num_streams=0", "num_streams=x", "nstreams=2"]
)
def test_what_is_no_setting_is_refused(text: str) -> None:
    """A missing value, an unknown knob, a value out of range."""
    with pytest.raises((click.BadParameter, SpaceError)):
        parsed(KnobSetting(), text)


@given(
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=6), st.text("abcxyz.:/_ =", min_size=1, max_size=8)
)
def test_any_shape_is_read_back(sizes: list[int], name: str) -> None:
    """An input's name (blanks around it aside) and its sizes survive being typed."""
    if name.strip():
        assert parsed(InputShape(), f"{name}={sizes}") == (name.strip(), tuple(sizes))


@pytest.mark.parametrize(
    "text", ["x", "x=1", "x=[2147483648]", "x=[-1,3]", "x=[1,]", "x=[1.5]", "=[1]", "x=[a]", "x=[²]"]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    """A dimension that isn't a number, is negative or too large, or no list."""
    with pytest.raises(click.BadParameter, match="isn't a shape"):
        parsed(InputShape(), text)


def test_a_scalar_has_an_empty_shape() -> None:
    """`x=[]` is a shape without dimensions."""
    assert parsed(InputShape(), "x=[]") == ("x", ())


@pytest.mark.parametrize(("text", "cpus"), [("0-3,8", (0, 1, 2, 3, 8)), ("5", (5,))])
def test_cpus_are_read_as_the_kernel_writes_them(text: str, cpus: tuple[int, ...]) -> None:
    """Ranges and single ids."""
    assert parsed(CpuList(), text) == cpus


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-", "-1", "0..3"])
def test_what_is_no_list_of_cpus_is_refused(text: str) -> None:
    """An empty, a reversed or a half range."""
    with pytest.raises(click.BadParameter, match="isn't a list of CPUs"):
        parsed(CpuList(), text)


def test_words_stand_between_commas() -> None:
    """Blanks and empty words fall away."""
    assert parsed(Words(), "bf16, f16,") == ("bf16", "f16")


def test_settings_are_typed_or_in_a_file(tmp_path: Path) -> None:
    """`--baseline` takes knobs between commas or a YAML file of knobs."""
    path = tmp_path / "mine.yaml"
    path.write_text("num_streams: 4\nnireq: 8\n")
    assert (
        parsed(Settings(), "num_streams=4,nireq=8")
        == parsed(Settings(), str(path))
        == {"num_streams": 4, "nireq": 8}
    )


@pytest.mark.parametrize(
    "text", ["", "nofile.yaml", "num_streams=many", "a=1", "=", "num_streams=1,num_streams=2"]
)
def test_settings_that_cannot_be_used_are_refused(text: str) -> None:
    """Neither a file nor knobs, an unknown knob, a bad value, a knob twice."""
    with pytest.raises(click.BadParameter):
        parsed(Settings(), text)
