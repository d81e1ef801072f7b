"""Measures how far a config's outputs are from the reference's, output by output.

The error of a floating-point output is relative to that output's own size, so that a large output (logits) doesn't
hide an error in a small one (scores). Of whole numbers and booleans (classes, tokens), what counts is how many
differ, because the distance between two class numbers means nothing. NaN and Inf must be where the reference has
them; an output with no other values can't be judged.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.measuring.outputs.reference import NamedOutputs, load_outputs

LEAST_SIZE = 1e-6  # smaller outputs count as zeros; scores over a vocabulary of 200 000 are larger


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """How far outputs are from the reference.

    Attributes:
        max_abs_error: the largest absolute error of any output; for a language model, of its logits.
        max_abs_reference: the largest absolute value in the reference of the same outputs.
        finite: whether finite numbers, NaN and Inf are where the reference has them.
        relative_errors: by floating-point output, the largest absolute error divided by that output's size.
        differing: by output of whole numbers or booleans, the share of values that differ from the reference.
        derived: the same for outputs that follow from another output, as tokens follow from logits.
        mismatch: what else is wrong: an output that is missing, has another shape, or can't be judged.
    """

    max_abs_error: float
    max_abs_reference: float
    finite: bool
    relative_errors: dict[str, float] = {}
    differing: dict[str, float] = {}
    derived: dict[str, float] = {}
    mismatch: str | None = None


def worst_error(errors: Iterable[OutputError]) -> OutputError:
    """Return the worst value of each field over `errors`: those of an arm's instances, or of several arms."""
    known = list(errors)
    return OutputError(
        max_abs_error=max((error.max_abs_error for error in known), default=0.0),
        max_abs_reference=max((error.max_abs_reference for error in known), default=0.0),
        finite=all(error.finite for error in known),
        relative_errors=_largest(error.relative_errors for error in known),
        differing=_largest(error.differing for error in known),
        derived=_largest(error.derived for error in known),
        mismatch=next((error.mismatch for error in known if error.mismatch is not None), None),
    )


def _largest(by_output: Iterable[Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for values in by_output:
        found |= {name: max(value, found.get(name, 0.0)) for name, value in values.items()}
    return found


def compare_outputs(path: Path, outputs: NamedOutputs, deciding: Collection[str] | None = None) -> OutputError:
    """Compare the outputs of each sample with those saved at `path`.

    Args:
        path: the reference outputs.
        outputs: the arm's outputs.
        deciding: names of the outputs that the others follow from; None if each stands for itself.
    """
    found = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    wanted = load_outputs(path)
    mismatch = _mismatch(wanted, found)
    by_output: dict[str, list[_Distance]] = {}
    for key in wanted if mismatch is None else ():
        by_output.setdefault(key.partition("/")[2], []).append(_Distance.of(wanted[key], found[key]))
    worst = {name: _Distance.worst(distances) for name, distances in by_output.items()}
    unjudged = next((name for name, distance in worst.items() if distance.elements and not distance.judged), None)
    if unjudged is not None:
        mismatch = (
            f"output {unjudged} can't be judged, the reference has no finite number there: give it real inputs"
        )
    whole = {name: d.differing for name, d in worst.items() if d.differing is not None}
    counted = {name for name in worst if deciding is None or name in deciding}
    sized = [worst[name] for name in counted]
    return OutputError(
        max_abs_error=max((distance.error for distance in sized), default=0.0),
        max_abs_reference=max((distance.size for distance in sized), default=0.0),
        finite=all(distance.finite for distance in worst.values()),
        relative_errors={
            name: d.error / max(LEAST_SIZE, d.size) for name, d in worst.items() if d.differing is None
        },
        differing={name: share for name, share in whole.items() if name in counted},
        derived={name: share for name, share in whole.items() if name not in counted},
        mismatch=mismatch,
    )


class _Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far one output is off: the largest error, the reference's size, the share of whole numbers that differ.

    `judged` is how many of its elements are finite in the reference.
    """

    error: float
    size: float
    finite: bool
    elements: int
    judged: int
    differing: float | None

    @classmethod
    def of(cls, wanted: NDArray[Any], found: NDArray[Any]) -> "_Distance":
        whole = wanted.dtype.kind in "biu"
        differing = float(np.mean(wanted != found)) if whole and wanted.size else (0.0 if whole else None)
        reference, answer = wanted.astype(np.float64), found.astype(np.float64)
        usable = np.isfinite(reference)
        difference = np.abs(answer[usable] - reference[usable])
        rest_alike = np.array_equal(answer[~usable], reference[~usable], equal_nan=True)
        return cls(
            error=float(np.max(difference[np.isfinite(difference)], initial=0.0)),
            size=float(np.max(np.abs(reference[usable]), initial=0.0)),
            finite=rest_alike and bool(np.isfinite(difference).all()),
            elements=wanted.size,
            judged=int(np.count_nonzero(usable)),
            differing=differing,
        )

    @classmethod
    def worst(cls, distances: Sequence["_Distance"]) -> "_Distance":
        """Return the worst of each field over the samples of one output."""
        shares = [distance.differing for distance in distances if distance.differing is not None]
        return cls(
            error=max(distance.error for distance in distances),
            size=max(distance.size for distance in distances),
            finite=all(distance.finite for distance in distances),
            elements=sum(distance.elements for distance in distances),
            judged=sum(distance.judged for distance in distances),
            differing=sum(shares) / len(shares) if shares else None,
        )


def _mismatch(wanted: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> str | None:
    """Return why the outputs can't be compared: one is missing, unexpected, or of another shape."""
    for key in [*wanted, *found]:
        name = key.partition("/")[2]
        if key not in found:
            return f"output {name} is missing"
        if key not in wanted:
            return f"output {name} is not one of the reference's"
        if wanted[key].shape != found[key].shape:
            return f"output {name} has shape {list(found[key].shape)}, the reference's {list(wanted[key].shape)}"
    return None
