"""Standard streams that a command outlives: its work must not be lost because nobody reads what it prints.

If the reader leaves (`autotp tune … | head`) or the terminal is gone, the rest is dropped and the command goes on.
Another failure, such as a full disk, is reported when the command has ended.
"""

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NOBODY_READS = (errno.EPIPE, errno.EIO)  # a closed pipe; a terminal that is gone (`hung_up_tty_write`, tty_io.c)


class LastingFile(io.FileIO):
    """A file that takes all that is written to it, also after a write has failed.

    Attributes:
        failure: why a write failed, except that nobody reads it.
    """

    failure: OSError | None = None
    _has_failed = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write a part of `data`, or drop it if a write has failed; return the number of bytes."""
        while not self._has_failed:
            try:
                written: int | None = super().write(data)  # None if the file doesn't block and is full
            except OSError as error:
                self._has_failed = True
                self.failure = None if error.errno in _NOBODY_READS else error
                break
            if written is not None:
                return written
            select.select([], [self], [])
        return memoryview(data).nbytes


@contextmanager
def lasting_streams() -> Iterator[LastingFile | None]:
    """Replace stdout and stderr by streams whose writes don't fail; yield the file of stdout.

    Streams that aren't files stay as they are; for such a stdout None is yielded. Streams that are closed are
    opened, and drop what they get.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    out = _lasting(sys.stdout, errors="replace")
    err = _lasting(sys.stderr, errors="backslashreplace")
    sys.stdout, sys.stderr = out or sys.stdout, err or sys.stderr
    try:
        yield _file_of(out)
    finally:
        for stream in filter(None, (out, err)):
            stream.flush()
        sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Open /dev/null for closed standard streams; else the next file opened would get what is printed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _lasting(stream: TextIO, errors: str) -> io.TextIOWrapper | None:
    """Return a stream like `stream` whose writes don't fail; None if it isn't a file."""
    if not isinstance(stream, io.TextIOWrapper):
        return None
    stream.reconfigure(errors=errors)
    try:
        stream.flush()
        file = LastingFile(stream.fileno(), "w", closefd=False)
    except OSError:  # also io.UnsupportedOperation: it is in memory
        return None
    at_once = stream.line_buffering or stream.write_through
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=stream.encoding, errors=errors, line_buffering=at_once
    )


def _file_of(stream: io.TextIOWrapper | None) -> LastingFile | None:
    raw = stream.buffer.raw if stream and isinstance(stream.buffer, io.BufferedWriter) else None
    return raw if isinstance(raw, LastingFile) else None
