"""The captured output of a process: bounded, its end kept."""

import os
from collections.abc import Iterator

import pytest

from autotp.measuring.parent.capture import TAIL_BYTES, CapturedOutput


@pytest.fixture
def log() -> Iterator[CapturedOutput]:
    """A log whose writer is this process."""
    made = CapturedOutput()
    yield made
    made.close()


def test_what_was_printed_is_there_after_a_drain(log: CapturedOutput) -> None:
    """A drain takes in what there is and doesn't wait for more."""
    os.write(log.write_end, b"one\n")
    log.drain()
    os.write(log.write_end, b"two\n")
    log.drain()
    assert log.tail == "one\ntwo"
    assert log.written_bytes == 8
    assert not log.ended
    log.close_write_end()


def test_only_the_end_is_kept(log: CapturedOutput) -> None:
    """Of much output the last bytes are kept and the rest is counted."""
    for _ in range(30):
        os.write(log.write_end, b"x" * 1000)
    os.write(log.write_end, b"the end")
    log.drain()
    assert log.written_bytes == 30_007
    assert len(log.tail) == TAIL_BYTES
    assert log.tail.endswith("xthe end")
    log.close_write_end()


def test_the_end_of_the_writer_is_seen(log: CapturedOutput) -> None:
    """Once every writer is gone the log has ended, with what was printed last."""
    os.write(log.write_end, b"last")
    log.close_write_end()
    assert log.read()
    assert not log.read()
    assert log.ended
    assert log.tail == "last"


def test_bytes_that_are_no_text_are_shown(log: CapturedOutput) -> None:
    """A tail that begins within a letter, or holds binary, can still be read."""
    os.write(log.write_end, "\N{SNOWMAN}".encode()[1:] + b"\xff ok")
    log.drain()
    assert log.tail.endswith(" ok")
    log.close_write_end()
