"""Raw blocks as trial attributes."""

import json
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.measuring.samples.block import Block
from autotp.tuning.study.block_columns import MAX_BLOCKS, Row, decode_blocks, encode_blocks

seconds = st.floats(2**-20, 2**10, width=32)
rows = st.lists(
    st.tuples(
        st.integers(0, 100),
        st.integers(0, 10**6),
        st.builds(
            Block,
            count=st.integers(1, 10**6),
            elapsed_s=st.floats(1e-7, 1e3),
            untimed_s=st.floats(0, 1e3),
            latencies_s=st.lists(seconds, max_size=5).map(tuple),
            first_tokens_s=st.lists(seconds, max_size=2).map(tuple),
            second_tokens_s=st.lists(seconds, max_size=5).map(tuple),
            memory_bytes=st.integers(0, 2**50),
            compile_s=st.floats(0, 1e3),
        ),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(rows)
def test_rows_survive_the_round_trip_through_json(given_rows: list[Row]) -> None:
    """Blocks that are encoded, written as JSON and decoded are unchanged (latencies to 32 bits)."""
    parts = json.loads(json.dumps(list(encode_blocks(given_rows)), allow_nan=False))
    assert [row for part in parts for row in decode_blocks(part)] == given_rows


def test_an_attribute_holds_at_most_200_blocks() -> None:
    """450 blocks become three attributes, in order and without loss."""
    block = Block(count=3, elapsed_s=0.05, latencies_s=(0.25, 0.5, 0.125), memory_bytes=7)
    many = [(0, round_, block) for round_ in range(450)]
    parts = list(encode_blocks(many))
    assert [len(decode_blocks(part)) for part in parts] == [MAX_BLOCKS, MAX_BLOCKS, 50]
    assert [row for part in parts for row in decode_blocks(part)] == many


def test_columns_are_compressed() -> None:
    """A column names its type and encoding, and 200 similar blocks take a fraction of their plain JSON."""
    latency = float(np.float32(0.001))
    block = Block(count=50, elapsed_s=0.05, latencies_s=(latency,) * 50, memory_bytes=10**9)
    (part,) = encode_blocks([(0, round_, block) for round_ in range(200)])
    assert {column["encoding"] for column in part.values()} == {"zlib+base64"}
    assert len(json.dumps(part)) < 5000


def test_latencies_keep_32_bits() -> None:
    """A latency differs after the round trip by less than one part in a million."""
    rng = random.Random(0)
    latencies = tuple(rng.lognormvariate(-7, 1) for _ in range(100))
    block = Block(count=100, elapsed_s=0.1, latencies_s=latencies, memory_bytes=1)
    (part,) = encode_blocks([(1, 2, block)])
    found = decode_blocks(part)[0][2].latencies_s
    assert np.allclose(found, latencies, rtol=1e-6, atol=0)
