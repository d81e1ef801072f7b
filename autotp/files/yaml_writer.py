"""Writes YAML that parsers of version 1.1 and of version 1.2 read alike.

Text that either version would read as another type is quoted: `'no'` and `'12:30'` for 1.1 (PyYAML's own
resolver quotes most of them), `'1e-3'` and `'0o17'` for 1.2. Floats keep a dot: `1.0e-05`.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import yaml

from autotp.files.yaml_loader import CORE_RESOLVERS


class _Writer(yaml.SafeDumper):
    """A SafeDumper that quotes by the rules of both versions and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in CORE_RESOLVERS:
    if not _tag.endswith("null"):
        _Writer.add_implicit_resolver(f"{_tag}#1.2", re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Writer.add_implicit_resolver("tag:yaml.org,2002:bool#1.1", re.compile(r"[yYnN]\Z"), list("yYnN"))


def _represent_float(writer: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(float(value)).lower()
    text = {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(text, text)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e", 1)
    return writer.represent_scalar("tag:yaml.org,2002:float", text)


def _represent_text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # In single quotes PyYAML writes these three characters unescaped, and a parser reads them as a line break.
    style = '"' if any(char in value for char in "\x85\u2028\u2029") else None
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _flow_list(writer: yaml.SafeDumper, value: Sequence[Any]) -> yaml.SequenceNode:
    flat = not any(isinstance(item, list | tuple | dict) for item in value)
    return writer.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)


_Writer.add_representer(float, _represent_float)
_Writer.add_representer(str, _represent_text)
_Writer.add_representer(list, _flow_list)
_Writer.add_representer(tuple, _flow_list)


def dump_yaml(value: Any, comment: str = "") -> str:
    """Return `value` (a Struct, or dicts and lists) as YAML text, with `comment` as comment lines above."""
    head = "".join(f"# {line}\n" for line in comment.splitlines())
    plain = msgspec.to_builtins(value)
    return head + yaml.dump(plain, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=110)
