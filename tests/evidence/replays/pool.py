"""Runs one function on many tasks, side by side."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar
from unittest import mock

R = TypeVar("R")

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def side_by_side(function: Callable[..., R], tasks: Sequence[tuple[Any, ...]], jobs: int) -> list[R]:
    """Return what `function` returns for each of `tasks`, which are its arguments, in as many processes as `jobs`.

    With one job it runs here. Each process has a core of its own and computes with one thread.
    """
    if jobs == 1:
        return [function(*task) for task in tasks]
    with (
        mock.patch.dict(os.environ, ONE_THREAD),
        ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn")) as pool,
    ):
        return list(pool.map(function, *zip(*tasks, strict=True)))
