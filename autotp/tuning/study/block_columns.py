"""Encodes raw blocks as trial attributes, in compressed columns, so that a long study reloads quickly."""

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autotp.measuring.samples.block import Block

MAX_BLOCKS = 200
SAMPLES = ("latencies", "first_tokens", "second_tokens")
Row = tuple[int, int, Block]  # process, round, block


def encode_blocks(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield one JSON value for every `MAX_BLOCKS` rows.

    Each value holds columns. With one integer per block: `process`, `round`, `count`, `memory_bytes`. With one
    64-bit float per block: `elapsed_s`, `untimed_s`, `compile_s`. Samples are 32-bit floats, of all blocks one
    after the other: `latencies_s`, and for a language model `first_tokens_s` and `second_tokens_s`. The columns
    `latencies`, `first_tokens` and `second_tokens` say how many of them each block has.
    """
    for start in range(0, len(rows), MAX_BLOCKS):
        part = rows[start : start + MAX_BLOCKS]
        blocks = [block for _, _, block in part]
        yield {
            "process": _pack([process for process, _, _ in part], "<i4"),
            "round": _pack([round_ for _, round_, _ in part], "<i4"),
            "count": _pack([block.count for block in blocks], "<i4"),
            "memory_bytes": _pack([block.memory_bytes for block in blocks], "<i8"),
            "elapsed_s": _pack([block.elapsed_s for block in blocks], "<f8"),
            "untimed_s": _pack([block.untimed_s for block in blocks], "<f8"),
            "compile_s": _pack([block.compile_s for block in blocks], "<f8"),
            **{key: packed for name in SAMPLES for key, packed in _pack_samples(name, blocks)},
        }


def decode_blocks(value: dict[str, Any]) -> list[Row]:
    """Return the rows that `encode_blocks` encoded as `value`; samples have 32-bit precision."""
    columns = {name: _unpack(packed) for name, packed in value.items()}
    samples = [_unpack_samples(name, columns) for name in SAMPLES]
    return [
        (
            columns["process"][i],
            columns["round"][i],
            Block(
                count=columns["count"][i],
                elapsed_s=columns["elapsed_s"][i],
                memory_bytes=columns["memory_bytes"][i],
                untimed_s=columns["untimed_s"][i],
                compile_s=columns["compile_s"][i],
                latencies_s=latencies_s,
                first_tokens_s=first_tokens_s,
                second_tokens_s=second_tokens_s,
            ),
        )
        for i, (latencies_s, first_tokens_s, second_tokens_s) in enumerate(zip(*samples, strict=True))
    ]


def _pack_samples(name: str, blocks: Sequence[Block]) -> Iterator[tuple[str, dict[str, str]]]:
    of_blocks: list[tuple[float, ...]] = [getattr(block, f"{name}_s") for block in blocks]
    if any(of_blocks):
        yield name, _pack([len(of_block) for of_block in of_blocks], "<i4")
        yield f"{name}_s", _pack([s for of_block in of_blocks for s in of_block], "<f4")


def _unpack_samples(name: str, columns: dict[str, list[Any]]) -> list[tuple[float, ...]]:
    if name not in columns:
        return [()] * len(columns["count"])
    lengths, values = columns[name], columns[f"{name}_s"]
    return [tuple(values[end - length : end]) for length, end in zip(lengths, np.cumsum(lengths), strict=True)]


def _pack(values: Sequence[float], dtype: str) -> dict[str, str]:
    data = zlib.compress(np.asarray(values, dtype=dtype).tobytes(), level=6)
    return {"dtype": dtype, "encoding": "zlib+base64", "data": base64.b64encode(data).decode()}


def _unpack(packed: dict[str, str]) -> list[Any]:
    data = zlib.decompress(base64.b64decode(packed["data"]))
    return list(np.frombuffer(data, dtype=packed["dtype"]).tolist())
