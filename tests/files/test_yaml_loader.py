"""The loader takes the safe core schema and nothing else, and says where it stopped."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.errors import AutotpError, InputError, SpaceError, TunedError
from autotp.files.yaml_loader import MAX_BYTES, MAX_DEPTH, load_yaml, parse_yaml, to_type

YAMLISH = st.text("ab01.: -\n\t'\"[]{},#&*!|>%@`~?<=\\\x00\x85\ufeff\ud800😀", max_size=60)


class _Leaf(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


class _Tree(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    leaf: _Leaf | None = None
    leaves: tuple[_Leaf, ...] = ()
    by_name: dict[str, _Leaf] = {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("no", "no"), ("yes", "yes"), ("on", "on"), ("y", "y"), ("12:30", "12:30"), ("1_000", "1_000")),
        *(("2026-07-30", "2026-07-30"), ("0b1", "0b1"), ("<<", "<<"), ("=", "="), ("tRUE", "tRUE"), ("'1'", "1")),
        *(("1e-3", 0.001), ("1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-.inf", float("-inf")), ("1.5", 1.5)),
        *(("007", 7), ("-12", -12), ("+3", 3), ("0o17", 15), ("0x1F", 31), ("0", 0)),
        *(("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)),
        *(("[a, 1]", ["a", 1]), ("{a: {b: no}}", {"a": {"b": "no"}}), ("<<: {a: 1}", {"<<": {"a": 1}})),
    ],
)
def test_scalars_are_read_as_people_mean_them(text: str, value: Any) -> None:
    """The core schema of YAML 1.2: no sexagesimals, no dates, no yes and no, but 1e-3 is a number."""
    found = parse_yaml(text, "a test")
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_a_number() -> None:
    """`.nan` is a float."""
    assert str(parse_yaml(".NaN", "a test")) == "nan"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", "key 'a' appears twice, line 3"),
        ("a: &x 1\nb: *x\n", "anchors and aliases aren't allowed, line 1"),
        ("\na: !!python/object/apply:os.system [ls]\n", "tags aren't allowed, line 2"),
        ("a: !!str 1\n", "tags aren't allowed, line 1"),
        ("! a", "tags aren't allowed, line 1"),
        ("a: 1\n---\nb: 2\n", "a second document isn't allowed, line 2"),
        ("1: a\n", "key 1 is not text, line 1"),
        ("[a]: b\n", "key ['a'] is not text, line 1"),
        ("~: b\n", "key None is not text, line 1"),
        ("a: 1" + "0" * 80 + "\n", "more than 64 digits, line 1"),
        ("a: 'b\n", "it can't be parsed, line 2"),
        ("a: b: c\n", "it can't be parsed, line 1"),
        ("\ta: b\n", "it can't be parsed, line 1"),
        ("a: \x00", "it holds a character that YAML doesn't allow"),
        ("a: \ud800", "it holds a character that YAML doesn't allow"),
        ("[" * (MAX_DEPTH + 1), "nested too deeply, line 1"),
        ("{a: " * (MAX_DEPTH + 1), "nested too deeply, line 1"),
        ("- " * (MAX_DEPTH + 1), "nested too deeply, line 1"),
        ("[" * 100_000, "nested too deeply, line 1"),
        ("[\n" * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply, line 1"),
    ],
)
def test_what_surprises_is_refused_with_its_line(text: str, reason: str) -> None:
    """Tags, anchors, duplicate keys, a second document and depth are refused; the text names file and line."""
    with pytest.raises(InputError) as caught:
        parse_yaml(text, "a.yaml")
    assert reason in str(caught.value)
    assert str(caught.value).startswith("a.yaml ")
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.text() | YAMLISH)
def test_garbage_never_raises_anything_else(text: str) -> None:
    """Whatever the text, the answer is plain data or an AutotpError of the kind asked for."""
    try:
        value = parse_yaml(text, "garbage", TunedError)
    except AutotpError as error:
        assert type(error) is TunedError
    else:
        assert value is None or isinstance(value, bool | int | float | str | list | dict)


@settings(deadline=None)
@given(st.binary(max_size=60) | YAMLISH.map(lambda text: text.encode(errors="surrogatepass")))
def test_garbage_in_a_file_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Whatever the bytes of the file, the answer is plain data or an AutotpError."""
    path = tmp_path_factory.getbasetemp() / "garbage.yaml"
    path.write_bytes(data)
    try:
        value = load_yaml(path)
    except AutotpError as error:
        assert "garbage.yaml" in str(error)
    else:
        assert value is None or isinstance(value, bool | int | float | str | list | dict)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A missing file and a folder are one sentence each, of the kind asked for."""
    with pytest.raises(SpaceError, match=r"Can't read .*absent\.yaml: No such file or directory\."):
        load_yaml(tmp_path / "absent.yaml", SpaceError)
    with pytest.raises(InputError, match="Is a directory"):
        load_yaml(tmp_path)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """A file that isn't UTF-8 is refused with that reason."""
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml is not UTF-8 text"):
        load_yaml(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """A file above the bound is refused by its size alone."""
    path = tmp_path / "huge.yaml"
    path.touch()
    os.truncate(path, MAX_BYTES + 1)
    with pytest.raises(InputError, match=r"huge\.yaml is larger than 16 MiB"):
        load_yaml(path)


def test_what_does_not_fit_names_its_file() -> None:
    """An error of the kind asked for, which says where and why (see `explain_mismatch`)."""
    with pytest.raises(TunedError, match=r"^a\.yaml: leaf\.size: '1' isn't a whole number\.$"):
        to_type({"name": "a", "leaf": {"size": "1"}}, _Tree, "a.yaml", TunedError)


def test_what_fits_is_typed() -> None:
    """Plain data becomes the type, lists become tuples."""
    tree = to_type({"name": "no", "leaves": [{"size": 2}], "by_name": {"x": {}}}, _Tree, "a.yaml")
    assert tree == _Tree("no", None, (_Leaf(2),), {"x": _Leaf(1)})
