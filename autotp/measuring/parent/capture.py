"""What a process prints, captured through a pipe: its end is kept, the rest counted and let go."""

import os

TAIL_BYTES = 2000
_PIECE_BYTES = 1 << 16
_MOST_PIECES = 32  # of a drain: twice what a pipe can be made to hold without privileges (pipe(7))


class CapturedOutput:
    """A pipe for stdout and stderr of one process.

    Attributes:
        written_bytes: how much came in so far.
        ended: whether nothing more can come.
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
        """Take in one piece of what has been printed; return whether there was one."""
        try:
            piece = os.read(self.read_end, _PIECE_BYTES)
        except BlockingIOError:
            return False
        self.ended = not piece
        self.written_bytes += len(piece)
        self._end = (self._end + piece)[-TAIL_BYTES:]
        return bool(piece)

    def drain(self) -> None:
        """Take in what has been printed so far; of a flood that goes on, a part."""
        for _ in range(_MOST_PIECES):
            if not self.read():
                return

    def close_write_end(self) -> None:
        """Close the writer's end on this side, so that the end of the writer can be seen."""
        os.close(self.write_end)

    def close(self) -> None:
        """Free the reader's end."""
        os.close(self.read_end)
