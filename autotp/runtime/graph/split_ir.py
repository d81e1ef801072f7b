"""Writing a split model as OpenVINO IR that is no larger than the original.

OpenVINO writes each constant separately, even if one is a part of another. A head that shares its weights with the
embedding would be written twice: as a whole and in shards. In the IR a constant is an offset and a size in the
.bin (https://docs.openvino.ai/2026/documentation/openvino-ir-format.html), so a shard whose bytes lie within the
whole constant gets an offset there, and bytes that no constant uses any more are left out.
"""

import mmap
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import msgspec

from autotp.errors import InputError, ModelError
from autotp.runtime.graph.split_fc import SHARD, fully_connected, split_fc
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import open_model
from autotp.runtime.models.reason import reason
from autotp.space.knobs.graph_split import GraphSplit

ALIGNMENT = 64  # as OpenVINO writes constants


class Span(msgspec.Struct, frozen=True, order=True):
    """A range of bytes in a .bin."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.offset + self.size


def save_split(files: ModelFiles, split: GraphSplit, target: Path) -> int:
    """Split the model and write it to the .xml `target` and the .bin beside it; return how many layers were split.

    Raises:
        ModelError: the model can't be read or split.
        InputError: `target` isn't an .xml, is the model itself, or can't be written. Then no file is left behind.
    """
    import openvino as ov

    if target.suffix != ".xml":
        raise InputError(f"{target} must end in .xml: OpenVINO recognises an IR by that.")
    if target.exists() and target.samefile(files.path):
        raise InputError(f"{target} is the model itself; name another file.")
    for path in (target, target.with_suffix(".bin")):
        if path.is_dir():
            raise InputError(f"{path} is a folder; name another file.")
    model = open_model(ov.Core(), files)
    layers = len(split.selected([layer.facts for layer in fully_connected(model)]))
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
    """Write the IR `source` to `target`, without the bytes of constants that are parts of other constants."""
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
    """Return the span of each constant; a shard whose whole constant is in the file gets its span within that."""
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
    """Return which constant `name` is a shard of, and the shard's number; -1 if it isn't a shard."""
    whole, _, number = name.rpartition(SHARD)
    return (whole, int(number)) if number.isdecimal() and whole else (name, -1)


def _write_spans(spans: Iterable[Span], content: mmap.mmap, target: Path) -> dict[Span, int]:
    """Write the bytes of `spans` to `target`, shared bytes only once; return the new offset of each span."""
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
