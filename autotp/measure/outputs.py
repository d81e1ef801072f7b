"""The output gate: a faster config that answers differently is not faster.

Outputs on the same samples are compared with a reference (f32, one stream, no split). What OpenVINO's own
hints make of them is what is accepted in practice, so their error is recorded as the bar.

Each output of floats is judged by its own size, so that a large one (logits) excuses nothing in a small one
(scores). Whole numbers and truth values (classes, tokens) are the same or not: how far apart two class numbers are
means nothing, so what counts is how many differ.
"""

from collections.abc import Iterable, Sequence
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
    """The bar: the person's absolute `tolerance`, else what the hints do (relative error, share that differs)."""

    tolerance: float | None = None
    hint_error: float = 0.0
    hint_differing: float = 0.0

    def accepting(self, hints: Iterable[OutputError]) -> "Gate":
        """Return this gate with the worst that `hints` do as what is accepted in practice."""
        errors = list(hints)
        return Gate(
            tolerance=self.tolerance,
            hint_error=max((error.relative_error for error in errors), default=0.0),
            hint_differing=max((error.differing for error in errors), default=0.0),
        )

    def bound(self, precision: str | None) -> float:
        """Return the largest error that is accepted of an arm of that inference precision.

        It's absolute with a tolerance, else relative to the size of an output.
        """
        if self.tolerance is not None:
            return self.tolerance
        return max(TOLERANCES.get(precision or "f32", TOLERANCES["f32"]), HINT_ERROR_FACTOR * self.hint_error)

    def rejects(self, error: OutputError, precision: str | None) -> str | None:
        """Return why outputs with `error` are wrong, None where they are accepted."""
        if error.mismatch is not None:
            return error.mismatch
        if not error.finite:
            return "the outputs hold NaN or Inf where the reference has numbers"
        bound = self.bound(precision)
        if self.tolerance is not None:
            if error.max_abs_error > bound:
                return f"the largest output error is {error.max_abs_error:.3g}, accepted is {bound:.3g}"
            return None
        if error.relative_error > bound:
            return (
                f"the largest output error is {error.relative_error:.3g} of the output's size (at least 1), "
                f"accepted is {bound:.3g}"
            )
        if error.differing > (accepted := HINT_ERROR_FACTOR * self.hint_differing):
            return f"{error.differing:.2%} of an output's whole numbers differ, accepted is {accepted:.2%}"
        return None


def save_outputs(path: Path, outputs: NamedOutputs) -> None:
    """Write the outputs of each sample to `path` (.npz)."""
    arrays = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def compare_outputs(path: Path, outputs: NamedOutputs) -> OutputError:
    """Compare the outputs of each sample with those saved at `path`."""
    found = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    with np.load(path, allow_pickle=False) as archive:
        wanted = {key: archive[key] for key in archive.files}
    mismatch = _mismatch(wanted, found)
    by_output: dict[str, list[_Distance]] = {}
    for key in wanted if mismatch is None else ():
        by_output.setdefault(key.partition("/")[2], []).append(_Distance.of(wanted[key], found[key]))
    worst = [_Distance.worst(distances) for distances in by_output.values()]
    return OutputError(
        max_abs_error=max((distance.error for distance in worst), default=0.0),
        max_abs_reference=max((distance.size for distance in worst), default=0.0),
        finite=all(distance.finite for distance in worst),
        relative_error=max((d.error / max(1.0, d.size) for d in worst if d.differing is None), default=0.0),
        differing=max((distance.differing or 0.0 for distance in worst), default=0.0),
        mismatch=mismatch,
    )


class _Distance(msgspec.Struct, frozen=True):
    """How far one output is off: the largest error, the reference's size; of whole numbers how many differ."""

    error: float
    size: float
    finite: bool
    differing: float | None

    @classmethod
    def of(cls, wanted: NDArray[Any], found: NDArray[Any]) -> "_Distance":
        whole = wanted.dtype.kind in "biu"
        differing = float(np.mean(wanted != found)) if whole and wanted.size else (0.0 if whole else None)
        reference, answer = wanted.astype(np.float64), found.astype(np.float64)
        usable = np.isfinite(reference)
        difference = np.abs(answer[usable] - reference[usable])
        finite = bool(np.isfinite(difference).all())
        error = float(np.max(difference, initial=0.0)) if finite else 0.0
        return cls(error, float(np.max(np.abs(reference[usable]), initial=0.0)), finite, differing)

    @classmethod
    def worst(cls, distances: Sequence["_Distance"]) -> "_Distance":
        """Return what is worst over the samples of one output."""
        shares = [distance.differing for distance in distances if distance.differing is not None]
        return cls(
            error=max(distance.error for distance in distances),
            size=max(distance.size for distance in distances),
            finite=all(distance.finite for distance in distances),
            differing=sum(shares) / len(shares) if shares else None,
        )


def _mismatch(wanted: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> str | None:
    """Return how the two can't even be compared: outputs that are missing, too many, or of another shape."""
    for key in [*wanted, *found]:
        name = key.partition("/")[2]
        if key not in found:
            return f"output {name} is missing"
        if key not in wanted:
            return f"output {name} is not one of the reference's"
        if wanted[key].shape != found[key].shape:
            return f"output {name} has shape {list(found[key].shape)}, the reference's {list(wanted[key].shape)}"
    return None
