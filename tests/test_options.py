"""Options: declared once, spelled as the caller spells them."""

from typing import Annotated, TypedDict

import pytest

from autotp.measuring.options import CompareOptions, MeasureOptions
from autotp.measuring.workload.registry import WorkloadOptions
from autotp.options import (
    FLAGS,
    Flag,
    Form,
    Spelling,
    flag_of,
    flags_of,
    refuse_unknown,
    spell,
    spelled_for,
    spelling,
)
from autotp.tuning.options import TuneOptions


class Inherited(TypedDict, total=False):
    """Options of a workload."""

    rate_per_s: Annotated[float | None, Flag(Form.NUMBER, "A rate.", "R", of_workload=True)]
    undeclared: int


class Made(Inherited, total=False):
    """Options of a command."""

    budget_s: Annotated[float, Flag(Form.SECONDS, "Seconds.", default=5.0)]


def test_a_flag_is_the_key_without_its_unit() -> None:
    """Dashes and the singular on the command line, the key itself for programs."""
    assert (spell("rate_per_s"), spell("new_tokens")) == ("rate_per_s", "new_tokens")
    with spelled_for(Spelling.COMMAND_LINE):
        assert (spell("rate_per_s"), spell("new_tokens")) == ("--rate", "--new-tokens")
    assert flag_of("constraints") == "--constraint"


def test_an_example_can_be_typed_as_it_stands() -> None:
    """Numbers, words, and shapes by input name."""
    shapes = {"a": (1, 3), "b": (2,)}
    assert spell("budget_s", 5) == "budget_s=5"
    assert spell("shapes", {"a": [1, 3]}) == "shapes={'a': [1, 3]}"
    with spelled_for(Spelling.COMMAND_LINE):
        assert spell("budget_s", 5) == "--budget 5"
        assert spell("shapes", shapes) == "--shape 'a=[1,3]' --shape 'b=[2]'"


def test_the_spelling_ends_with_the_command() -> None:
    """Also where it fails; within it another one may be chosen."""
    with pytest.raises(ZeroDivisionError), spelled_for(Spelling.COMMAND_LINE):
        with spelled_for(Spelling.PYTHON):
            assert spelling() is Spelling.PYTHON
        assert spelling() is Spelling.COMMAND_LINE
        _ = 1 / 0
    assert spelling() is Spelling.PYTHON


def test_what_the_workload_decides_is_listed_last() -> None:
    """After the command's own, inherited or not; what isn't annotated is no flag."""
    assert list(flags_of(Made)) == ["budget_s", "rate_per_s"]
    assert flags_of(Made)["budget_s"].default == 5.0


def test_an_unknown_keyword_is_refused_as_python_does() -> None:
    """The text names the function and the keyword."""
    refuse_unknown(Made, {"budget_s": 3, "rate_per_s": 2.0}, "measure")
    with pytest.raises(TypeError, match=r"^measure\(\) got an unexpected keyword argument 'rate'$"):
        refuse_unknown(Made, {"budget_s": 3, "rate": 2.0}, "measure")


@pytest.mark.parametrize("options", [MeasureOptions, CompareOptions, TuneOptions])
def test_every_option_has_a_flag_of_its_own(options: type) -> None:
    """Declared with a help text; the workload's options are among them, so that a new one reaches all commands."""
    flags = flags_of(options)
    assert flags.keys() == options.__annotations__.keys()
    assert len({flag_of(name) for name in flags}) == len(flags)
    assert all(flag.help.strip() for flag in flags.values())
    assert WorkloadOptions.__annotations__.keys() <= flags.keys()
    assert {name for name, flag in flags.items() if flag.of_workload} == WorkloadOptions.__annotations__.keys()


def test_every_exception_to_the_spelling_is_an_option() -> None:
    """No flag is left behind by an option that is gone."""
    known = {name for options in (MeasureOptions, CompareOptions, TuneOptions) for name in flags_of(options)}
    assert FLAGS.keys() <= known
