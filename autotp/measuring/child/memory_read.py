"""How fast the CPUs of this process can read memory: as much of it as the weights of a model take.

What fits into the caches comes from there, like the weights themselves.
"""

from concurrent.futures import ThreadPoolExecutor
from math import ceil
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 30  # more is read at the same speed
LEAST_PART_BYTES = 1 << 20  # below, calling numpy takes a part of the time
TIMED_BYTES = 1 << 26  # for each thread
REPEATS = 5


def read_seconds(count: int, threads: int) -> float | None:
    """Return how long `threads` threads, each with a part of its own, take to read `count` bytes of memory once.

    It is the quickest of a few times. None if a part would be too small to be timed.
    """
    part_bytes = min(count, MOST_BYTES) // threads
    if part_bytes < LEAST_PART_BYTES:
        return None
    parts = [np.ones(part_bytes // 8, np.int64) for _ in range(threads)]
    times = ceil(TIMED_BYTES / part_bytes)
    with ThreadPoolExecutor(threads) as pool:
        took_s = min(_seconds(pool, parts, times) for _ in range(REPEATS))
    return took_s * count / (part_bytes * threads)


def _seconds(pool: ThreadPoolExecutor, parts: list[NDArray[np.int64]], times: int) -> float:
    """Return the seconds that one reading of all `parts` takes, by reading them so many `times`."""

    def read(part: NDArray[np.int64]) -> None:
        for _ in range(times):
            np.bitwise_or.reduce(part)  # it doesn't hold Python's lock, and computes faster than it can read

    began = perf_counter()
    list(pool.map(read, parts))
    return (perf_counter() - began) / times
