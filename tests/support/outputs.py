"""Outputs of a model, and errors of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotp.measuring.outputs.error import OutputError


def two_samples(seed: int = 0) -> list[dict[str, NDArray[Any]]]:
    """Two samples of two outputs, one of them with a slash in its name."""
    rng = np.random.default_rng(seed)
    return [
        {"y": rng.standard_normal((2, 3)).astype(np.float32), "a/b:0": rng.integers(0, 9, 4)} for _ in range(2)
    ]


def error_of(
    max_abs_error: float, max_abs_reference: float = 1.0, *, finite: bool = True, differing: float = 0.0
) -> OutputError:
    """How far an output y of floats is off, and another of classes."""
    return OutputError(
        max_abs_error=max_abs_error,
        max_abs_reference=max_abs_reference,
        finite=finite,
        misplaced={} if finite else {"y": 0.1},
        relative_errors={"y": max_abs_error / max_abs_reference},
        differing={"ids": differing},
    )
