"""The project's only YAML loader: the core schema of YAML 1.2, without features that surprise.

PyYAML's own resolver follows YAML 1.1, where `no` is false, `12:30` is 750 and `1e-3` is text. The core
schema (https://yaml.org/spec/1.2.2/#103-core-schema) reads the first two as text and the last as a number. Tags,
anchors, aliases, duplicate keys and a second document are refused: each has surprised somebody in a config file.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from autotp.errors import AutotpError, InputError
from autotp.files.mismatch import explain_mismatch

T = TypeVar("T")

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
_TOO_DEEP = "nested too deeply"
CORE_RESOLVERS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN"),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _RefusedError(yaml.MarkedYAMLError):
    """A feature of YAML that this loader refuses."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _StrictLoader(_Base):  # type: ignore[misc]
    """A PyYAML loader for the core schema's scalars, with the C parser (twenty times faster) where it is built."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _construct_mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    mapping: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _RefusedError(f"key {key!r} is not text", key_node.start_mark)
        if key in mapping:
            raise _RefusedError(f"key {key!r} appears twice", key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if len(text) > 64:
        raise _RefusedError("a number of more than 64 digits", node.start_mark)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


for _tag, _pattern, _first in CORE_RESOLVERS:
    _StrictLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), [*_first, ""])
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)


def _refuse_indirection(text: str) -> None:
    event: Any
    depth = documents = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError("anchors and aliases aren't allowed", event.start_mark)
        if getattr(event, "tag", None):
            raise _RefusedError("tags aren't allowed", event.start_mark)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise _RefusedError("a second document isn't allowed", event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _RefusedError(_TOO_DEEP, event.start_mark)


def _why(error: yaml.YAMLError | ValueError, text: str) -> str:
    """Return what is wrong and in which line; for syntax errors PyYAML's description follows in brackets."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it holds a character that YAML doesn't allow"
    mark = error.problem_mark
    if isinstance(error, _RefusedError):
        return f"{error.problem}, line {mark.line + 1}"
    if _open_brackets(text, mark.line, mark.column) > MAX_DEPTH:
        return f"{_TOO_DEEP}, line {mark.line + 1}"
    return f"it can't be parsed, line {mark.line + 1} ({error.problem})"


def _open_brackets(text: str, line: int, column: int) -> int:
    """Count the open brackets at a position, to recognise PyYAML's own error about depth."""
    lines = text.splitlines()
    before = "".join([*lines[:line], *(rest[:column] for rest in lines[line : line + 1])])
    return sum(map(before.count, "[{")) - sum(map(before.count, "]}"))


def parse_yaml(text: str, source: str, kind: type[AutotpError] = InputError) -> Any:
    """Parse one YAML document into dicts, lists and scalars.

    Raises:
        AutotpError: of `kind`; the message names `source` and the line.
    """
    try:
        _refuse_indirection(text)
        loader = _StrictLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        raise kind(f"{source} isn't valid YAML for autotp: {_why(error, text)}.") from error


def load_yaml(path: Path, kind: type[AutotpError] = InputError) -> Any:
    """Read and parse the YAML file `path` (UTF-8, at most 16 MiB).

    Raises:
        AutotpError: of `kind`; the file is missing, unreadable, too large or not strict YAML.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise kind(f"{path} is larger than {MAX_BYTES >> 20} MiB; autotp reads no YAML file of that size.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise kind(f"Can't read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise kind(f"{path} is not UTF-8 text.") from error
    return parse_yaml(text, str(path), kind)


def to_type(value: Any, type_: type[T], source: str, kind: type[AutotpError] = InputError) -> T:
    """Convert plain dicts and lists to `type_`, refusing what doesn't fit.

    Raises:
        AutotpError: of `kind`; the message names `source`, the key and, for an unknown key, those allowed.
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        raise kind(f"{source}: {explain_mismatch(value, type_)}.") from error
