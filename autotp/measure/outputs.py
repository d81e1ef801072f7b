"""The output gate: a faster config that answers differently is not faster.

Outputs on the same samples are compared with a reference (f32, one stream, no split). What OpenVINO's own
hints make of them is what is accepted in practice, so their error is recorded as the bar.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.measure.protocol import OutputError

REFERENCE_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
HINT_ERROR_FACTOR = 1.5
TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}

NamedOutputs = Sequence[dict[str, NDArray[Any]]]


class Gate(msgspec.Struct, frozen=True):
    """The bar: `tolerance` is the person's absolute bound, `hint_error` the worst error of a hint."""

    tolerance: float | None = None
    hint_error: float = 0.0

    def bound(self, error: OutputError, precision: str | None) -> float:
        """Return the largest absolute error that is accepted of an arm of that inference precision."""
        if self.tolerance is not None:
            return self.tolerance
        relative = TOLERANCES.get(precision or "f32", TOLERANCES["f32"])
        return max(relative * max(1.0, error.max_abs_reference), HINT_ERROR_FACTOR * self.hint_error)

    def rejects(self, error: OutputError, precision: str | None) -> str | None:
        """Return why outputs with `error` are wrong, None where they are accepted."""
        if not error.finite:
            return "the outputs hold NaN or Inf where the reference has numbers"
        bound = self.bound(error, precision)
        if error.max_abs_error > bound:
            return f"the largest output error is {error.max_abs_error:.3g}, accepted is {bound:.3g}"
        return None


def save_outputs(path: Path, outputs: NamedOutputs) -> None:
    """Write the outputs of each sample to `path` (.npz)."""
    arrays = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def compare_outputs(path: Path, outputs: NamedOutputs) -> OutputError:
    """Compare the outputs of each sample with those saved at `path`."""
    errors, sizes, finite = [0.0], [0.0], True
    with np.load(path, allow_pickle=False) as reference:
        for index, sample in enumerate(outputs):
            for name, array in sample.items():
                wanted = reference[f"{index}/{name}"].astype(np.float64)
                usable = np.isfinite(wanted)
                difference = np.abs(array[usable].astype(np.float64) - wanted[usable])
                finite &= bool(np.isfinite(difference).all())
                errors.append(float(np.max(difference, initial=0.0)))
                sizes.append(float(np.max(np.abs(wanted[usable]), initial=0.0)))
    largest = max(errors) if finite else 0.0
    return OutputError(max_abs_error=largest, max_abs_reference=max(sizes), finite=finite)
