"""What is written is read back the same by readers of YAML 1.1 (PyYAML's own) and 1.2 (ours)."""

from enum import StrEnum
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.files.yaml_loader import parse_yaml
from autotp.files.yaml_writer import dump_yaml

AWKWARD = (
    *("", " ", "~", "null", "Null", "true", "True", "yes", "Yes", "no", "NO", "on", "off", "y", "N"),
    *("1", "+1", "-0", "007", "08", "0o17", "0x1F", "0b101", "1_000", "12:30", "1:2:3", "190:20:30.15"),
    *("1e-3", "1e3", "1E5", "1.0e-05", ".5", "5.", "+.5", ".inf", "-.INF", ".nan", "1e999", "123e4567890123456"),
    *("2026-07-30", "2026-07-30T12:00:00+00:00", "2026-07-30 12:00:00", "<<", "=", "-", "---", "...", "?", ":"),
    *("# word", "a # b", "a: b", "- a", "[a]", "{a: b}", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "'", '"'),
    *(
        "a\nb",
        "a\n",
        "\n",
        "\ta",
        "a\t",
        " a ",
        "a\\b",
        "\\n",
        "\x85",
        "\u2028",
        "\ufeffa",
        "é",
        "漢",
        "😀",
        "\x7f",
    ),
)
NUMBERLIKE = st.text("0123456789.eE+-_:xobXaAnNiIfF~ ", max_size=12)
TEXTS = st.sampled_from(AWKWARD) | NUMBERLIKE | st.text(st.characters(codec="utf-8"), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


class _Colour(StrEnum):
    NO = "no"


class _Part(msgspec.Struct):
    name: str
    ratios: tuple[float, ...]
    colour: _Colour = _Colour.NO


def _readings(text: str) -> tuple[Any, Any]:
    return yaml.safe_load(text), parse_yaml(text, "a test")


@settings(deadline=None)
@given(VALUES)
def test_both_versions_read_back_what_was_written(value: Any) -> None:
    """Any value of the file edge comes back with every type, from a 1.1 reader and from ours."""
    old, strict = _readings(dump_yaml(value))
    assert repr(old) == repr(strict) == repr(value)


@pytest.mark.parametrize("text", AWKWARD)
def test_text_stays_text(text: str) -> None:
    """A text that either version would take for something else survives as value, as key and in a list."""
    value = {"value": text, "list": [text], text: 1}
    old, strict = _readings(dump_yaml(value))
    assert old == strict == value


@settings(deadline=None)
@given(st.text("0123456789abcdef", min_size=16, max_size=16))
def test_a_hex_digest_stays_text(digest: str) -> None:
    """A fingerprint such as 1234567890123e45 is never read as a number."""
    old, strict = _readings(dump_yaml({"fingerprint": digest}))
    assert old == strict == {"fingerprint": digest}


@settings(deadline=None)
@given(st.floats())
def test_floats_keep_a_dot(value: float) -> None:
    """Every float is written with a dot, so that a 1.1 reader sees a number, and to the last bit."""
    text = dump_yaml([value])
    old, strict = _readings(text)
    assert "." in text
    assert repr(old) == repr(strict) == repr([value])


def test_small_floats_are_spelled_for_both() -> None:
    """1e-05 becomes 1.0e-05; words that look like numbers or booleans are quoted."""
    text = dump_yaml({"a": 1e-05, "b": 1e22, "c": "no", "d": "2", "e": "12:30", "f": "1e-3", "g": "y"})
    assert text == "a: 1.0e-05\nb: 1.0e+22\nc: 'no'\nd: '2'\ne: '12:30'\nf: '1e-3'\ng: 'y'\n"


def test_a_struct_is_written_in_the_order_of_its_fields() -> None:
    """Structs, tuples and enums become plain mappings, flow lists and their words."""
    assert dump_yaml(_Part("a", (1.0, 2.5))) == "name: a\nratios: [1.0, 2.5]\ncolour: 'no'\n"


def test_nested_lists_are_blocks() -> None:
    """A list of plain values is one line; a list that holds lists or mappings is a block."""
    assert dump_yaml({"a": [[1, 2], [3]], "b": [{"c": 1}]}) == "a:\n- [1, 2]\n- [3]\nb:\n- c: 1\n"


def test_no_aliases_are_written() -> None:
    """The same list twice is written twice: our own reader refuses aliases."""
    shared = [1, 2]
    assert dump_yaml({"a": shared, "b": shared}) == "a: [1, 2]\nb: [1, 2]\n"


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n")))
def test_a_comment_stays_a_comment(comment: str) -> None:
    """Each line of the comment gets its own #, and the value below it is read unharmed."""
    text = dump_yaml({"a": 1}, comment)
    assert parse_yaml(text, "a test") == {"a": 1}
    assert text.count("# ") >= len(comment.splitlines())


def test_the_comment_comes_first() -> None:
    """The file opens with the comment."""
    assert dump_yaml({"a": 1}, "one\ntwo") == "# one\n# two\na: 1\n"
