"""Spans of TensorFlow Lite files: every byte once, the data of large buffers apart."""

import mmap
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.runtime.models.flatbuffer import is_tflite, spans
from autotp.runtime.models.protobuf import MalformedError, Span
from tests.support import other_formats

WEIGHTS = other_formats.weights()
MODEL = other_formats.tflite(WEIGHTS)


def spans_of(content: bytes) -> list[Span]:
    """The spans of a file with this content, which must be a TensorFlow Lite file by its identifier."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            assert is_tflite(data) == (content[4:8] == b"TFL3")
            return list(spans(data))


def test_the_weights_are_the_only_bulk() -> None:
    """Spans follow one another from the first byte to the last, and one of them is the weights."""
    found = spans_of(MODEL)
    assert [span.start for span in found] == [0, *(span.end for span in found[:-1])]
    assert found[-1].end == len(MODEL)
    assert [MODEL[span.start : span.end] for span in found if span.is_bulk] == [WEIGHTS.T.tobytes()]


def test_a_model_without_buffers_has_no_bulk() -> None:
    """Its table may end before the field that holds them."""
    empty = other_formats.flatbuffer({0: ("I", 3)}, b"TFL3")
    assert spans_of(empty) == [Span(0, len(empty), False)]


def test_a_file_cut_short_is_malformed() -> None:
    """Where offsets lead beyond the end, there is nothing to go by."""
    with pytest.raises(MalformedError, match=r"past its end|out of the file"):
        spans_of(MODEL[: len(MODEL) // 2])


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=200), st.integers(0, len(MODEL)))
def test_any_bytes_have_spans_or_are_malformed(noise: bytes, keep: int) -> None:
    """Whatever follows a whole or cut model, all of it is found, or it is refused."""
    content = MODEL[:keep] + noise
    try:
        found = spans_of(content)
    except MalformedError:
        return
    assert sum(span.end - span.start for span in found) == len(content)
