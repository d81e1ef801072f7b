"""A split model written as OpenVINO IR: no larger than the model that it was made of.

OpenVINO writes every constant once, but doesn't see that one is a part of another: a head that shares its weights
with the embedding would be there whole and in shards. In the IR a constant is an offset and a size in the .bin
(https://docs.openvino.ai/2026/documentation/openvino-ir-format.html), so a shard whose bytes lie in the whole one
is pointed there, and what nothing points to any more is left out.
"""

import mmap
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from autotp.errors import InputError, ModelError
from autotp.runtime.graph.split_fc import SHARD, fully_connected, split_fc
from autotp.runtime.models.read import open_model, reason
from autotp.runtime.models.source import ModelFiles
from autotp.space import GraphSplit

ALIGNMENT = 64  # as OpenVINO writes constants


class Span(msgspec.Struct, frozen=True, order=True):
    """Where bytes lie in a .bin."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset behind the last."""
        return self.offset + self.size


def save_split(files: ModelFiles, split: GraphSplit, target: Path) -> int:
    """Write the model as `split` has it to the .xml `target` and the .bin beside it; return the layers split.

    Raises:
        ModelError: the model can't be read or split.
        InputError: `target` isn't an .xml, is the model itself, or can't be written; nothing is left of it then.
    """
    import openvino as ov

    if target.suffix != ".xml":
        raise InputError(f"{target} must end in .xml: OpenVINO reads an IR by that.")
    if target.exists() and target.samefile(files.path):
        raise InputError(f"{target} is the model itself; name another file.")
    for path in (target, target.with_suffix(".bin")):
        if path.is_dir():
            raise InputError(f"{path} is a folder; name another file.")
    model = open_model(ov.Core(), files)
    layers = len(split.taken([layer.facts for layer in fully_connected(model)]))
    model = split_fc(model, split)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}.") as folder:
            whole, packed = Path(folder) / "whole.xml", Path(folder) / "packed.xml"
            ov.serialize(model, whole)
            _pack(whole, packed)
            for suffix in (".bin", ".xml"):
                packed.with_suffix(suffix).chmod(0o644)
                packed.with_suffix(suffix).replace(target.with_suffix(suffix))
    except OSError as error:
        raise InputError(f"Can't write {target}: {error.strerror or error}.") from error
    except RuntimeError as error:
        raise ModelError(f"OpenVINO can't write the split model: {reason(error)}.") from error
    return layers


def _pack(source: Path, target: Path) -> None:
    """Write the IR `source` anew without bytes that are there twice because one constant is a part of another."""
    tree = ElementTree.parse(source)  # noqa: S314  # written by OpenVINO a moment ago
    constants = [
        (layer.get("name", ""), data)
        for layer in tree.iter("layer")
        if layer.get("type") == "Const" and (data := layer.find("data")) is not None
    ]
    names = [name for name, _ in constants]
    written = [Span(int(data.get("offset", 0)), int(data.get("size", 0))) for _, data in constants]
    weights = source.with_suffix(".bin")
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        spans = _within_wholes(names, written, content)
        offsets = _write_spans(spans, content, target.with_suffix(".bin"))
    for (_, data), span in zip(constants, spans, strict=True):
        data.set("offset", str(offsets[span]))
    tree.write(target, encoding="utf-8", xml_declaration=True)


def _within_wholes(names: Sequence[str], spans: Sequence[Span], content: mmap.mmap) -> list[Span]:
    """Return the spans of constants, of shards of one that is there as a whole, too, where they lie in it."""
    wholes, found = dict(zip(names, spans, strict=True)), list(spans)
    ends: dict[str, int] = {}
    for index in sorted(range(len(names)), key=lambda index: _shard(names[index])):
        whole, number = _shard(names[index])
        if number < 0 or whole not in wholes:
            continue
        span = spans[index]
        inside = Span(ends.get(whole, wholes[whole].offset), span.size)
        ends[whole] = inside.end
        if content[inside.offset : inside.end] == content[span.offset : span.end]:
            found[index] = inside
    return found


def _shard(name: str) -> tuple[str, int]:
    """Return of what constant `name` is a shard, and which one; -1 where it's none."""
    whole, _, number = name.rpartition(SHARD)
    return (whole, int(number)) if number.isdecimal() and whole else (name, -1)


def _write_spans(spans: Iterable[Span], content: mmap.mmap, target: Path) -> dict[Span, int]:
    """Write the bytes of `spans` to `target`, those of a span within another once; return where each is now."""
    offsets: dict[Span, int] = {}
    around, base = Span(0, 0), 0
    with target.open("wb") as file:
        for span in sorted(spans, key=lambda span: (span.offset, -span.size)):
            if span.end > around.end:
                file.write(bytes(-file.tell() % ALIGNMENT))
                around, base = span, file.tell()
                file.write(content[span.offset : span.end])
            offsets[span] = base + span.offset - around.offset
    return offsets
