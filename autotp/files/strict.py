"""The project's only YAML loader: the safe core schema of YAML 1.2, strictly.

PyYAML's own resolver follows YAML 1.1, where `no` is false, `12:30` is 750 and `1e-3` is text. The core
schema (https://yaml.org/spec/1.2.2/#103-core-schema) reads those as people mean them. Tags, anchors,
aliases, duplicate keys and a second document are refused: each has surprised somebody in a config file.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import yaml

from autotp.errors import AutotpError, InputError

T = TypeVar("T")

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
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


class _StrictLoader(_Base):  # type: ignore[misc]
    """The C parser where PyYAML has it (twenty times faster), with the core schema's scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _construct_mapping(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    mapping: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not text", key_node.start_mark)
        if key in mapping:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    if len(text) > 64:
        raise yaml.constructor.ConstructorError(None, None, "a number of over 64 digits", node.start_mark)
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
    depth = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases aren't allowed", problem_mark=event.start_mark)
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(problem="tags aren't allowed", problem_mark=event.start_mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())


def parse_yaml(text: str, source: str, kind: type[AutotpError] = InputError) -> Any:
    """Parse one YAML document into dicts, lists and scalars.

    Raises:
        AutotpError: of `kind`; the text names `source` and the line.
    """
    try:
        _refuse_indirection(text)
        loader = _StrictLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        reason = _one_line(error) if isinstance(error, yaml.YAMLError) else str(error)
        raise kind(f"{source} isn't the YAML that is expected here: {reason}.") from error


def load_yaml(path: Path, kind: type[AutotpError] = InputError) -> Any:
    """Read and parse the YAML file `path` (UTF-8, at most 16 MiB).

    Raises:
        AutotpError: of `kind`; the file is missing, unreadable, too large or not strict YAML.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise kind(f"{path} is larger than {MAX_BYTES >> 20} MiB; it can't be the file meant here.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise kind(f"Can't read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise kind(f"{path} is not UTF-8 text.") from error
    return parse_yaml(text, str(path), kind)


def to_type(value: Any, type_: type[T], source: str, kind: type[AutotpError] = InputError) -> T:
    """Convert plain dicts and lists to `type_`, refusing what doesn't fit.

    Raises:
        AutotpError: of `kind`; names `source`, the key and, for an unknown key, the keys allowed there.
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        raise kind(f"{source}: {_explain(str(error), type_)}.") from error


def _explain(message: str, type_: Any) -> str:
    unknown = re.match(r"Object contains unknown field `([^`]*)`(?: - at `([^`]*)`)?\Z", message)
    if not unknown:
        return message
    key, path = unknown[1], unknown[2] or "$"
    allowed = ", ".join(field.encode_name for field in msgspec.structs.fields(_type_at(type_, path)))
    return f"unknown key {key!r} at {path.replace('$', 'the top', 1)}; allowed: {allowed}"


def _type_at(type_: Any, path: str) -> Any:
    """Follow msgspec's error path (`$.profiles[0].machine`) through the fields of `type_`."""
    for step in re.findall(r"\.(\w+)|\[(?:\d+|\.\.\.)\]", path):
        type_ = _struct_or_item(type_)
        if step:
            fields = {field.encode_name: field.type for field in msgspec.structs.fields(type_)}
            type_ = fields[step]
        else:
            type_ = get_args(type_)[-1] if get_origin(type_) is dict else get_args(type_)[0]
    return _struct_or_item(type_)


def _struct_or_item(type_: Any) -> Any:
    """Drop what stands for nothing from an optional type: `None`, and a key that isn't there."""
    nothing = (type(None), msgspec.UnsetType)
    options = [option for option in get_args(type_) if option not in nothing]
    optional = len(options) < len(get_args(type_))
    return options[0] if optional and options else type_
