"""Spans of protobuf files: every byte once, the data of large tensors apart."""

import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.runtime.models.protobuf import BULK_BYTES, MalformedError, Message, Span, is_onnx, spans
from tests.support import other_formats
from tests.support.onnx_bytes import MODEL, PAYLOAD, field

WEIGHTS = other_formats.weights()
WHOLE = {
    Message.ONNX_MODEL: (MODEL, PAYLOAD),
    Message.TF_GRAPH: (other_formats.graph_def(WEIGHTS), WEIGHTS.tobytes()),
    Message.TF_META_GRAPH: (other_formats.meta_graph(WEIGHTS), WEIGHTS.tobytes()),
    Message.TF_SAVED_MODEL: (other_formats.saved_model(WEIGHTS), WEIGHTS.tobytes()),
}


@contextmanager
def mapped(content: bytes) -> Iterator[mmap.mmap]:
    """A file with this content, mapped."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def spans_of(content: bytes, message: Message) -> list[Span]:
    """The spans of a file with this content."""
    with mapped(content) as data:
        return list(spans(data, message))


@pytest.mark.parametrize("message", WHOLE)
def test_the_weights_are_the_only_bulk(message: Message) -> None:
    """Spans follow one another from the first byte to the last, and one of them is the weights."""
    content, weights = WHOLE[message]
    found = spans_of(content, message)
    assert [span.start for span in found] == [0, *(span.end for span in found[:-1])]
    assert found[-1].end == len(content)
    assert [content[span.start : span.end] for span in found if span.is_bulk] == [weights]


def test_weights_in_functions_and_lists_are_bulk() -> None:
    """TensorFlow keeps constants of loops in functions, and several tensors in one attribute."""
    large = field(4, bytes(BULK_BYTES + 1))

    def attribute(value: bytes) -> bytes:
        return field(5, field(1, "value") + field(2, value))

    constant = field(1, "c") + attribute(field(8, large))
    several = field(1, field(1, "d") + attribute(field(1, field(8, large) + field(8, large))))
    library = field(2, field(1, field(3, constant)))
    assert sum(span.is_bulk for span in spans_of(several + library, Message.TF_GRAPH)) == 3


def test_small_tensors_are_no_bulk() -> None:
    """Axes and shapes decide what a graph does."""
    node = field(1, field(5, field(2, field(8, field(4, bytes(BULK_BYTES))))))
    assert not any(span.is_bulk for span in spans_of(node, Message.TF_GRAPH))


def test_onnx_is_told_from_tensorflow() -> None:
    """An ONNX model has its version where TensorFlow has a node."""
    for content, expected in ((MODEL, True), (other_formats.graph_def(WEIGHTS), False), (field(2, "x"), False)):
        with mapped(content) as data:
            assert is_onnx(data) is expected


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(list(Message)))
def test_any_bytes_have_spans_or_are_malformed(content: bytes, message: Message) -> None:
    """Whatever a file holds, all of it is found, or it is refused."""
    try:
        found = spans_of(content, message)
    except MalformedError:
        return
    assert sum(span.end - span.start for span in found) == len(content)
