"""Writes a language model of random four-bit weights as GGUF, in the architecture of another file.

Its tokenizer and settings are the other file's, its size is given: so a model can be as large as those that
people deploy, where none of them can be fetched. What it says means nothing; how long it takes is what a trained
model of that size takes. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

MAGIC = b"GGUF"
ALIGNMENT = 32
UINT32, TEXT, ARRAY = 4, 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
F32, Q4_1, Q8_0 = 0, 3, 8  # types of tensors
GROUP = 32  # weights that share a scale
CHUNK = 1 << 20  # groups that are written at once


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large the model is.

    Attributes:
        layers: how many there are.
        width: of the embedding.
        inner: width of the feed-forward part.
        heads: of attention.
        key_heads: heads that keys and values have.
    """

    layers: int
    width: int
    inner: int
    heads: int
    key_heads: int

    @property
    def settings(self) -> dict[str, int]:
        """The entries of the file that say so."""
        return {
            "llama.block_count": self.layers,
            "llama.embedding_length": self.width,
            "llama.feed_forward_length": self.inner,
            "llama.attention.head_count": self.heads,
            "llama.attention.head_count_kv": self.key_heads,
            "llama.rope.dimension_count": self.width // self.heads,
        }


LARGE = Size(layers=24, width=2048, inner=8192, heads=32, key_heads=8)  # 1.5 billion weights


class _Tensor(NamedTuple):
    """A tensor: its dimensions [columns, rows] or [columns], and its type."""

    name: str
    shape: tuple[int, ...]
    kind: int

    @property
    def bytes(self) -> int:
        count = int(np.prod(self.shape))
        return {F32: 4 * count, Q4_1: 20 * count // GROUP, Q8_0: 34 * count // GROUP}[self.kind]


def write_random(source: Path, path: Path, size: Size, seed: int = 0) -> Path:
    """Write a model of that `size` to `path`, with the tokenizer of `source`; return the path.

    Args:
        source: a GGUF of the architecture `llama` with tied embeddings.
        path: the file to write.
        size: its dimensions, multiples of 32.
        seed: of the weights.
    """
    entries, vocabulary = _entries(source)
    changed = size.settings
    entries = [(key, struct.pack("<II", UINT32, changed[key]) if key in changed else raw) for key, raw in entries]
    tensors = list(_tensors(size, vocabulary))
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(MAGIC + struct.pack("<IQQ", 3, len(tensors), len(entries)))
        for key, raw in entries:
            file.write(_text(key) + raw)
        offset = 0
        for tensor in tensors:
            file.write(_text(tensor.name) + struct.pack("<I", len(tensor.shape)))
            file.write(struct.pack(f"<{len(tensor.shape)}Q", *tensor.shape))
            file.write(struct.pack("<IQ", tensor.kind, offset))
            offset += _aligned(tensor.bytes)
        file.write(bytes(_aligned(file.tell()) - file.tell()))
        for tensor in tensors:
            _write_weights(file, tensor, rng)
            file.write(bytes(_aligned(tensor.bytes) - tensor.bytes))
    return path


def _tensors(size: Size, vocabulary: int) -> Iterator[_Tensor]:
    keys = size.width // size.heads * size.key_heads
    yield _Tensor("token_embd.weight", (size.width, vocabulary), Q8_0)
    for layer in range(size.layers):
        yield _Tensor(f"blk.{layer}.attn_norm.weight", (size.width,), F32)
        yield _Tensor(f"blk.{layer}.ffn_down.weight", (size.inner, size.width), Q4_1)
        yield _Tensor(f"blk.{layer}.ffn_gate.weight", (size.width, size.inner), Q4_1)
        yield _Tensor(f"blk.{layer}.ffn_up.weight", (size.width, size.inner), Q4_1)
        yield _Tensor(f"blk.{layer}.ffn_norm.weight", (size.width,), F32)
        yield _Tensor(f"blk.{layer}.attn_k.weight", (size.width, keys), Q4_1)
        yield _Tensor(f"blk.{layer}.attn_output.weight", (size.width, size.width), Q4_1)
        yield _Tensor(f"blk.{layer}.attn_q.weight", (size.width, size.width), Q4_1)
        yield _Tensor(f"blk.{layer}.attn_v.weight", (size.width, keys), Q4_1)
    yield _Tensor("output_norm.weight", (size.width,), F32)


def _write_weights(file: BinaryIO, tensor: _Tensor, rng: np.random.Generator) -> None:
    """Write weights about as large as those of a trained model, so that activations neither vanish nor explode."""
    if tensor.kind == F32:
        file.write(np.ones(tensor.shape, "<f4").tobytes())
        return
    groups, spread = int(np.prod(tensor.shape)) // GROUP, 1.0 / np.sqrt(tensor.shape[0])
    for start in range(0, groups, CHUNK):
        count = min(CHUNK, groups - start)
        make = _four_bits if tensor.kind == Q4_1 else _eight_bits
        file.write(make(count, spread, rng).tobytes())


def _four_bits(groups: int, spread: float, rng: np.random.Generator) -> NDArray[np.void]:
    """Return groups of Q4_1: a scale, a minimum, and 32 numbers from 0 to 15."""
    found = np.zeros(groups, np.dtype([("scale", "<f2"), ("least", "<f2"), ("codes", "u1", GROUP // 2)]))
    found["scale"] = spread / 4.6  # the standard deviation of numbers from 0 to 15
    found["least"] = -7.5 * spread / 4.6
    found["codes"] = rng.integers(0, 256, (groups, GROUP // 2), dtype=np.uint8)
    return found


def _eight_bits(groups: int, spread: float, rng: np.random.Generator) -> NDArray[np.void]:
    """Return groups of Q8_0: a scale and 32 signed numbers."""
    found = np.zeros(groups, np.dtype([("scale", "<f2"), ("codes", "i1", GROUP)]))
    found["scale"] = spread / 73.0
    found["codes"] = rng.integers(-127, 128, (groups, GROUP), dtype=np.int8)
    return found


def _entries(source: Path) -> tuple[list[tuple[str, bytes]], int]:
    """Return the entries of the file, each with its type and value as they are, and the size of the vocabulary."""
    with source.open("rb") as file:
        if file.read(4) != MAGIC:
            raise ValueError(f"{source} is no GGUF.")
        _, _, count = struct.unpack("<IQQ", file.read(20))
        entries, vocabulary = [], 0
        for _ in range(count):
            key = _read_text(file)
            begin = file.tell()
            (kind,) = struct.unpack("<I", file.read(4))
            length = _skip(file, kind)
            end = file.tell()
            file.seek(begin)
            entries.append((key, file.read(end - begin)))
            vocabulary = length if key == "tokenizer.ggml.tokens" else vocabulary
    return entries, vocabulary


def _skip(file: BinaryIO, kind: int) -> int:
    """Skip a value; return how many elements it has."""
    if kind == TEXT:
        _read_text(file)
    elif kind == ARRAY:
        element, length = struct.unpack("<IQ", file.read(12))
        for _ in range(length):
            _skip(file, element)
        return int(length)
    else:
        file.seek(struct.calcsize(f"<{NUMBERS[kind]}"), 1)
    return 1


def _read_text(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    return file.read(length).decode()


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT
