"""Raw blocks as trial attributes: columnar and compressed, so that a long study reloads quickly."""

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from autotp.measure import Block

MAX_BLOCKS = 200
Row = tuple[int, int, Block]  # process, round, block


def encode_blocks(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield one JSON value for every `MAX_BLOCKS` rows.

    Each holds the columns `process`, `round`, `count`, `memory_bytes` (one integer a block), `elapsed_s`
    (64-bit floats) and `latencies_s` (32-bit floats, all blocks in a row, `latencies` of each block).
    """
    for start in range(0, len(rows), MAX_BLOCKS):
        part = rows[start : start + MAX_BLOCKS]
        blocks = [block for _, _, block in part]
        yield {
            "process": _pack([process for process, _, _ in part], "<i4"),
            "round": _pack([round_ for _, round_, _ in part], "<i4"),
            "count": _pack([block.count for block in blocks], "<i4"),
            "latencies": _pack([len(block.latencies_s) for block in blocks], "<i4"),
            "memory_bytes": _pack([block.memory_bytes for block in blocks], "<i8"),
            "elapsed_s": _pack([block.elapsed_s for block in blocks], "<f8"),
            "latencies_s": _pack([s for block in blocks for s in block.latencies_s], "<f4"),
        }


def decode_blocks(value: dict[str, Any]) -> list[Row]:
    """Return the rows that `encode_blocks` made `value` of (latencies to 32-bit precision)."""
    columns = {name: _unpack(packed) for name, packed in value.items()}
    ends = np.cumsum(columns["latencies"])
    return [
        (
            columns["process"][i],
            columns["round"][i],
            Block(
                count=columns["count"][i],
                elapsed_s=columns["elapsed_s"][i],
                latencies_s=tuple(columns["latencies_s"][end - columns["latencies"][i] : end]),
                memory_bytes=columns["memory_bytes"][i],
            ),
        )
        for i, end in enumerate(ends)
    ]


def _pack(values: Sequence[float], dtype: str) -> dict[str, str]:
    data = zlib.compress(np.asarray(values, dtype=dtype).tobytes(), level=6)
    return {"dtype": dtype, "encoding": "zlib+base64", "data": base64.b64encode(data).decode()}


def _unpack(packed: dict[str, str]) -> list[Any]:
    data = zlib.decompress(base64.b64decode(packed["data"]))
    return list(np.frombuffer(data, dtype=packed["dtype"]).tolist())
