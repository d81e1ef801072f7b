"""Language models of random weights: what the file says is what it holds."""

import struct
from pathlib import Path

import numpy as np

from tests.support.random_gguf import ALIGNMENT, MAGIC, Size, write_random

SIZE = Size(layers=2, width=64, inner=128, heads=4, key_heads=2)
TOKENS = ("a", "b", "ü")


def text(value: str) -> bytes:
    """A text as GGUF has it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def source(folder: Path) -> Path:
    """A GGUF without tensors: a text, numbers and an array of texts."""
    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.block_count") + struct.pack("<II", 4, 30),
        text("llama.rope.freq_base") + struct.pack("<If", 6, 1e5),
        text("tokenizer.ggml.add_bos_token") + struct.pack("<I?", 7, False),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(TOKENS)) + b"".join(map(text, TOKENS)),
    ]
    path = folder / "source.gguf"
    path.write_bytes(MAGIC + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    return path


def test_the_file_is_the_source_in_another_size(tmp_path: Path) -> None:
    """Entries stay but for the size; tensors follow one another, aligned, to the end of the file."""
    path = write_random(source(tmp_path), tmp_path / "made.gguf", SIZE)
    raw = path.read_bytes()
    version, tensors, entries = struct.unpack_from("<IQQ", raw, 4)
    assert (raw[:4], version, tensors, entries) == (MAGIC, 3, 2 + 9 * SIZE.layers, 5)
    assert text("llama.block_count") + struct.pack("<II", 4, SIZE.layers) in raw
    assert text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + b"".join(map(text, TOKENS)) in raw
    at = raw.index(text("blk.1.attn_k.weight")) + len(text("blk.1.attn_k.weight"))
    dimensions, columns, rows, kind, offset = struct.unpack_from("<IQQIQ", raw, at)
    assert (dimensions, columns, rows, kind) == (2, 64, 32, 3)
    last = raw.index(text("output_norm.weight")) + len(text("output_norm.weight"))
    _, columns, kind, end = struct.unpack_from("<IQIQ", raw, last)
    data = -(-(last + 24) // ALIGNMENT) * ALIGNMENT
    assert offset % ALIGNMENT == end % ALIGNMENT == 0
    assert len(raw) == data + end + 4 * columns
    assert np.frombuffer(raw, "<f4", columns, data + end).tolist() == [1.0] * columns


def test_weights_are_as_large_as_trained_ones(tmp_path: Path) -> None:
    """A row's weights have about the length 1, in four bits; equal seeds give equal files."""
    path = write_random(source(tmp_path), tmp_path / "made.gguf", SIZE)
    raw = path.read_bytes()
    name = text("blk.0.ffn_gate.weight")
    _, columns, rows, _, offset = struct.unpack_from("<IQQIQ", raw, raw.index(name) + len(name))
    last = raw.index(text("output_norm.weight")) + len(text("output_norm.weight"))
    data = -(-(last + 24) // ALIGNMENT) * ALIGNMENT
    kind = np.dtype([("scale", "<f2"), ("least", "<f2"), ("codes", "u1", 16)])
    groups = np.frombuffer(raw, kind, columns * rows // 32, data + offset)
    codes = np.concatenate([groups["codes"] & 15, groups["codes"] >> 4], axis=1)
    weights = codes * groups["scale"][:, None].astype(float) + groups["least"][:, None]
    assert abs(float(weights.std()) * columns**0.5 - 1.0) < 0.1
    assert abs(float(weights.mean())) < 0.01
    assert write_random(source(tmp_path), tmp_path / "again.gguf", SIZE).read_bytes() == raw
