"""Worker processes as the kernel shows them."""

import time
from pathlib import Path

from autotp.measuring.failure import Phase
from autotp.measuring.parent.process import WorkerProcess


def running(pid: int) -> bool:
    """Whether the process is there and isn't a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not running(pid)


def descriptors() -> set[str]:
    """What this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def pid_of(worker: WorkerProcess) -> int:
    """The process id, once there is one."""
    assert worker.pid is not None
    return worker.pid


def answered_pid(worker: WorkerProcess) -> int:
    """A process id that the worker answers."""
    return int(worker._read_line(Phase.BLOCK, time.monotonic() + 30))
