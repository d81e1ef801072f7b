"""Where a value doesn't fit its type is said in words that no other project can change."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.files.mismatch import explain_mismatch


class _Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class _Leaf(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


class _Tree(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    leaf: _Leaf | None = None
    leaves: tuple[_Leaf, ...] = ()
    by_name: dict[str, _Leaf] = {}
    lists: dict[str, list[_Leaf]] = {}
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    share: float = 0.0
    alive: bool = True
    colour: _Colour = _Colour.RED
    word: Literal["yes", "no"] = "no"
    anything: Any = None
    extra: _Leaf | msgspec.UnsetType = msgspec.UNSET


KEYS = "name, leaf, leaves, by_name, lists, count, share, alive, colour, word, anything, extra"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"nane": 1}, f"unknown key 'nane'; allowed: {KEYS}"),
        ({"leaf": {"sise": 1}}, "unknown key 'sise' at leaf; allowed: size"),
        ({"leaves": [{}, {"b": 1}]}, "unknown key 'b' at leaves[1]; allowed: size"),
        ({"by_name": {"x": {"b": 1}}}, "unknown key 'b' at by_name.x; allowed: size"),
        ({"lists": {"x": [{"b": 1}]}}, "unknown key 'b' at lists.x[0]; allowed: size"),
        ({"name": 1}, "name: 1 isn't text"),
        ({"name": "x", "leaf": 3}, "leaf: 3 isn't a mapping or null"),
        ({"leaf": {"size": "1"}}, "leaf.size: '1' isn't a whole number"),
        ({"leaf": {"size": True}}, "leaf.size: true isn't a whole number"),
        ({"leaf": {"size": 1.5}}, "leaf.size: 1.5 isn't a whole number"),
        ({"leaves": None}, "leaves: null isn't a list"),
        ({"leaves": {}}, "leaves: a mapping isn't a list"),
        ({"by_name": []}, "by_name: a list isn't a mapping"),
        ({"count": 0}, "count: 0 isn't a whole number of at least 1 or null"),
        ({"share": "half"}, "share: 'half' isn't a number"),
        ({"alive": "no"}, "alive: 'no' isn't true or false"),
        ({"colour": "green"}, "colour: 'green' isn't one of red, blue"),
        ({"extra": {"b": 1}}, "unknown key 'b' at extra; allowed: size"),
        ({"extra": 1}, "extra: 1 isn't a mapping"),
        ({"word": "maybe"}, "word: 'maybe' isn't one of yes, no"),
        ({"word": "m" * 100}, f"word: '{'m' * 58}… isn't one of yes, no"),
    ],
)
def test_the_first_place_that_does_not_fit_is_named(data: dict[str, Any], reason: str) -> None:
    """With the keys allowed where one is unknown, with what stands there and what belongs there elsewhere."""
    assert explain_mismatch({"name": "a"} | data, _Tree) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "key 'name' is missing"),
        (None, "null isn't a mapping"),
        ([], "a list isn't a mapping"),
        ("text", "'text' isn't a mapping"),
    ],
)
def test_what_is_missing_or_something_else_is_named(data: object, reason: str) -> None:
    """A key that has no default, and a file that holds no mapping at all."""
    assert explain_mismatch(data, _Tree) == reason


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["red", "yes", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*KEYS.split(", "), "b"]), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(ANYTHING)
def test_there_is_a_sentence_for_whatever_msgspec_refuses(data: object) -> None:
    """One line that contradicts nobody: it never says that a thing isn't what it is."""
    try:
        msgspec.convert(data, _Tree, strict=True)
    except msgspec.ValidationError:
        said = explain_mismatch(data, _Tree)
        assert "\n" not in said
        shown, _, expected = said.rpartition(": ")[2].partition(" isn't ")
        assert not expected or shown not in expected
