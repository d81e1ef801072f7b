"""Captures what a process prints: keeps the end of it and counts the bytes."""

import os

TAIL_BYTES = 2000
_PIECE_BYTES = 1 << 16
_MOST_PIECES = 32  # per drain: twice what a pipe can hold without privileges (pipe(7))


class CapturedOutput:
    """What one process prints to stdout and stderr, read through a pipe.

    Attributes:
        written_bytes: how many bytes were read so far.
        ended: whether all writers have closed the pipe.
    """

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.written_bytes = 0
        self.ended = False
        self._end = b""

    @property
    def tail(self) -> str:
        """The end of what was printed."""
        return self._end.decode(errors="replace").strip()

    def read(self) -> bool:
        """Read one piece of what was printed; return whether there was one."""
        try:
            piece = os.read(self.read_end, _PIECE_BYTES)
        except BlockingIOError:
            return False
        self.ended = not piece
        self.written_bytes += len(piece)
        self._end = (self._end + piece)[-TAIL_BYTES:]
        return bool(piece)

    def drain(self) -> None:
        """Read what was printed so far; if the process prints without end, only a part."""
        for _ in range(_MOST_PIECES):
            if not self.read():
                return

    def close_write_end(self) -> None:
        """Close this process's copy of the write end, so that the pipe ends when the other process does."""
        os.close(self.write_end)

    def close(self) -> None:
        """Close the read end."""
        os.close(self.read_end)
