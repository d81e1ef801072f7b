"""Standard streams that nobody reads, that are full, or that are closed."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autotp.cli.terminal.streams import LastingFile


@pytest.fixture
def pipe() -> tuple[int, int]:
    """The ends of a pipe to read from and to write to."""
    return os.pipe()


def test_what_nobody_reads_is_dropped(pipe: tuple[int, int]) -> None:
    """All is taken after the reader has left, which is no failure."""
    reads, writes = pipe
    os.close(reads)
    with LastingFile(writes, "w") as file:
        assert [file.write(b"first"), file.write(b"second")] == [5, 6]
        assert file.failure is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_another_failure_is_kept_for_the_end() -> None:
    """A full disk stops nothing, and can be reported later."""
    with LastingFile("/dev/full", "w") as file:
        assert file.write(b"words") == 5
        assert file.failure is not None
        assert file.failure.errno == errno.ENOSPC


def test_a_full_pipe_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    """What the reader gets is complete, whether or not its pipe blocks."""
    reads, writes = pipe
    os.set_blocking(writes, False)
    sent, got = bytes(1 << 20), bytearray()

    def read() -> None:
        while part := os.read(reads, 1 << 16):
            got.extend(part)

    reader = threading.Thread(target=read)
    with LastingFile(writes, "w") as file:
        reader.start()
        left = memoryview(sent)
        while left:
            left = left[file.write(left) :]
    reader.join()
    os.close(reads)
    assert bytes(got) == sent


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("probe",), 0),
        (("probe", "--json"), 0),
        (("health", "--json"), 0),
        (("space", "--explain"), 0),
        (("--help",), 0),
        (("bogus",), 2),
    ],
)
def test_a_command_ends_as_if_somebody_read_it(
    arguments: tuple[str, ...], code: int, pipe: tuple[int, int]
) -> None:
    """With both streams broken a command keeps its exit code; with stderr whole nothing is said about it."""
    reads, writes = pipe
    os.close(reads)
    command = [sys.executable, "-m", "autotp", *arguments]
    both = subprocess.run(command, stdout=writes, stderr=writes, check=False)
    heard = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (both.returncode, heard.returncode) == (code, code)
    assert heard.stderr.count("\n") == (1 if code else 0)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed_from_the_start(closed: str, tmp_path: Path) -> None:
    """What is opened later doesn't take their place, so nothing is printed into it."""
    record = f"{sys.executable} -m autotp probe --json --record {tmp_path / 'recording'}"
    done = subprocess.run(["sh", "-c", f"{record} {closed}"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert (tmp_path / "recording" / "proc").is_dir()
