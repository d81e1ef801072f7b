"""Explains why a value from a file can't be converted to its type.

msgspec decides whether it can; the explanations are this project's own, so that they name keys as the file does
and don't depend on the installed version of msgspec.
"""

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_LONGEST_VALUE = 60
_NOTHING = (type(None), msgspec.UnsetType)
_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "null"}


def explain_mismatch(value: Any, type_: Any) -> str:
    """Return where and why `value` first doesn't fit `type_`, without a full stop; it must be known not to fit."""
    return _explain(value, type_, "")


def _explain(value: Any, type_: Any, place: str) -> str:
    bare = _bare(type_)
    where = place.lstrip(".")
    at = f" at {where}" if where else ""
    if isinstance(value, dict) and (wrong := _wrong_key(value, bare)):
        key, allowed = wrong
        return f"unknown key {key!r}{at}; allowed: {allowed}" if allowed else f"key {key!r} is missing{at}"
    for step, part, of_type in _parts(value, bare):
        if not _fits(part, of_type):
            return _explain(part, of_type, place + step)
    return f"{where}{': ' if where else ''}{_shown(value)} isn't {_expected(type_)}"


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _bare(type_: Any) -> Any:
    """Return `type_` without bounds of numbers and the types of an absent value, `None` and `UnsetType`."""
    if get_origin(type_) is Annotated:
        return _bare(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return _bare(next(option for option in get_args(type_) if option not in _NOTHING))
    return type_


def _wrong_key(value: dict[str, Any], struct: Any) -> tuple[str, str] | None:
    """Return an unknown key with the list of known ones, or a missing key with an empty list; None for neither."""
    if not _is_struct(struct):
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    unknown = [key for key in value if key not in fields] if struct.__struct_config__.forbid_unknown_fields else []
    missing = [name for name, field in fields.items() if field.required and name not in value]
    if unknown:
        return unknown[0], ", ".join(fields)
    return (missing[0], "") if missing else None


def _parts(value: Any, type_: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield each part of `value`: its place as in a path (`.key`, `[0]`), itself, and its type."""
    if isinstance(value, dict) and _is_struct(type_):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(type_)}
        yield from ((f".{key}", part, fields[key]) for key, part in value.items() if key in fields)
    elif isinstance(value, dict) and get_origin(type_) is dict:
        yield from ((f".{key}", part, get_args(type_)[1]) for key, part in value.items())
    elif isinstance(value, list) and get_origin(type_) in (list, tuple):
        yield from ((f"[{index}]", part, get_args(type_)[0]) for index, part in enumerate(value))


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _expected(type_: Any) -> str:
    if get_origin(type_) in (Union, UnionType):
        options = [option for option in get_args(type_) if option is not msgspec.UnsetType]
        return " or ".join(map(_expected, options))
    if get_origin(type_) is Annotated:
        inner, *bounds = get_args(type_)
        least = next((bound.ge for bound in bounds if isinstance(bound, msgspec.Meta)), None)
        return _expected(inner) + ("" if least is None else f" of at least {least}")
    if get_origin(type_) is Literal:
        return f"one of {', '.join(get_args(type_))}"
    if isinstance(type_, type) and issubclass(type_, Enum):
        return f"one of {', '.join(str(member.value) for member in type_)}"
    if type_ in _SCALARS:
        return _SCALARS[type_]
    return "a list" if get_origin(type_) in (list, tuple) else "a mapping"
