"""Threads that work or sleep for as long as they are asked to."""

import os
import time
from hashlib import sha256

DATA = bytes(1 << 20)
CPUS = frozenset(os.sched_getaffinity(0))


def work(seconds: float) -> int:
    """Burn CPU time, Python's lock released, and say how often."""
    deadline, count = time.perf_counter() + seconds, 0
    while count == 0 or time.perf_counter() < deadline:
        sha256(DATA)
        count += 1
    return count


def sleep(seconds: float) -> int:
    """Sleep as a caller does that hands its work over, and say how often."""
    count = max(1, int(seconds / 0.005))
    for _ in range(count):
        time.sleep(0.005)
    return count
