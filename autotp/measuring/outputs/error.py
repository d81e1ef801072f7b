"""Measures how far a config's outputs are from the reference's, output by output.

The error of a floating-point output is relative to that output's own size, so that a large output (logits) doesn't
hide an error in a small one (scores). Of whole numbers and booleans (classes, tokens), what counts is how many
differ, because the distance between two class numbers means nothing. NaN and Inf are expected where the reference
has them; an output with no other values can't be judged. The size of an output may depend on the data, as the
number of detections does; values are compared only where sizes are equal. What the reference doesn't repeat
itself, because it draws random numbers, and what is empty can't be compared at all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.measuring.outputs.reference import NamedOutputs, load_outputs, load_unchecked

REPEATS_WITHIN = 1e-4  # of an output's size: two runs of the reference, which is f32 on one stream
LEAST_SIZE = 1e-6  # smaller outputs count as zeros; scores over a vocabulary of 200 000 are larger

N = TypeVar("N", int, float)


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """How far outputs are from the reference.

    Attributes:
        max_abs_error: the largest absolute error of any output; for a language model, of its logits.
        max_abs_reference: the largest absolute value in the reference of the same outputs.
        finite: whether finite numbers, NaN and Inf are where the reference has them.
        relative_errors: by floating-point output, the largest absolute error divided by that output's size.
        differing: by output of whole numbers or booleans, the share of values that differ from the reference.
        derived: the same for outputs that follow from another output, as tokens follow from logits.
        misplaced: by output, the share of values that are NaN or Inf where the reference isn't, or the reverse.
        resized: by output, by how many elements an axis is longer or shorter than the reference's.
        unchecked: the outputs that can't be compared, each with the reason.
        mismatch: what else is wrong: an output that is missing, has another rank, or can't be judged.
    """

    max_abs_error: float
    max_abs_reference: float
    finite: bool
    relative_errors: dict[str, float] = {}
    differing: dict[str, float] = {}
    derived: dict[str, float] = {}
    misplaced: dict[str, float] = {}
    resized: dict[str, int] = {}
    unchecked: dict[str, str] = {}
    mismatch: str | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """The names of the outputs whose values were compared."""
        return (*self.relative_errors, *self.differing, *self.derived)


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
        misplaced=_largest(error.misplaced for error in known),
        resized=_largest(error.resized for error in known),
        unchecked={name: why for error in known for name, why in error.unchecked.items()},
        mismatch=next((error.mismatch for error in known if error.mismatch is not None), None),
    )


def unrepeated(outputs: NamedOutputs, again: NamedOutputs) -> dict[str, str]:
    """Return the names of outputs that two runs of the same model on the same inputs don't agree in, and why."""
    first, second = _by_key(outputs), _by_key(again)
    return {name_of(key): "differs from run to run" for key in first if not _alike(first[key], second[key])}


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    distance = _Distance.of(one, other)
    return not (distance.misplaced or distance.differing) and distance.relative <= REPEATS_WITHIN


def name_of(key: str) -> str:
    """Return the output's name in a key such as `0/logits`, which begins with the sample's index."""
    return key.partition("/")[2]


def _by_key(outputs: NamedOutputs) -> dict[str, NDArray[Any]]:
    return {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}


def _largest(by_output: Iterable[Mapping[str, N]]) -> dict[str, N]:
    found: dict[str, N] = {}
    for values in by_output:
        found |= {name: max(value, found.get(name, value)) for name, value in values.items()}
    return found


def compare_outputs(path: Path, outputs: NamedOutputs, deciding: Collection[str] | None = None) -> OutputError:
    """Compare the outputs of each sample with those saved at `path`.

    Args:
        path: the reference outputs.
        outputs: the arm's outputs.
        deciding: names of the outputs that the others follow from; None if each stands for itself.
    """
    unchecked = load_unchecked(path)
    wanted, found = (
        {key: array for key, array in arrays.items() if name_of(key) not in unchecked}
        for arrays in (load_outputs(path), _by_key(outputs))
    )
    mismatch = _mismatch(wanted, found)
    comparable = wanted if mismatch is None else {}
    by_output: dict[str, list[_Distance]] = {}
    resized: dict[str, int] = {}
    for key in comparable:
        name = name_of(key)
        if by := _resized(wanted[key], found[key]):
            resized[name] = max(by, resized.get(name, 0))
        else:
            by_output.setdefault(name, []).append(_Distance.of(wanted[key], found[key]))
    worst = {name: _Distance.worst(distances) for name, distances in by_output.items()}
    empty = {name for name, distance in worst.items() if not distance.elements and name not in resized}
    unjudged = next((name for name, distance in worst.items() if distance.elements and not distance.judged), None)
    if unjudged is not None:
        mismatch = (
            f"output {unjudged} can't be judged, the reference has no finite number there: give it real inputs"
        )
    whole = {name: d.differing for name, d in worst.items() if d.differing is not None and name not in empty}
    counted = {name for name in worst if deciding is None or name in deciding}
    sized = [worst[name] for name in counted]
    return OutputError(
        max_abs_error=max((distance.error for distance in sized), default=0.0),
        max_abs_reference=max((distance.size for distance in sized), default=0.0),
        finite=all(not distance.misplaced for distance in worst.values()),
        relative_errors={
            name: d.relative for name, d in worst.items() if d.differing is None and name not in empty
        },
        differing={name: share for name, share in whole.items() if name in counted},
        derived={name: share for name, share in whole.items() if name not in counted},
        misplaced={name: distance.misplaced for name, distance in worst.items() if distance.misplaced},
        resized=resized,
        unchecked={**unchecked, **dict.fromkeys(sorted(empty), "is empty for these inputs")},
        mismatch=mismatch,
    )


class _Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far one output is off: the largest error, the reference's size, the share of whole numbers that differ.

    `misplaced` is the share of its elements that are NaN or Inf in only one of both, `judged` how many are finite
    in the reference.
    """

    error: float
    size: float
    misplaced: float
    elements: int
    judged: int
    differing: float | None

    @property
    def relative(self) -> float:
        """The largest error divided by the reference's size."""
        return self.error / max(LEAST_SIZE, self.size)

    @classmethod
    def of(cls, wanted: NDArray[Any], found: NDArray[Any]) -> "_Distance":
        whole = wanted.dtype.kind in "biu"
        differing = float(np.mean(wanted != found)) if whole and wanted.size else (0.0 if whole else None)
        reference, answer = wanted.astype(np.float64), found.astype(np.float64)
        usable = np.isfinite(reference)
        alike = usable & np.isfinite(answer)
        difference = np.abs(answer[alike] - reference[alike])
        placed = alike | (answer == reference) | (np.isnan(answer) & np.isnan(reference))
        return cls(
            error=float(np.max(difference, initial=0.0)),
            size=float(np.max(np.abs(reference[usable]), initial=0.0)),
            misplaced=float(np.mean(~placed)) if wanted.size else 0.0,
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
            misplaced=sum(distance.misplaced for distance in distances) / len(distances),
            elements=sum(distance.elements for distance in distances),
            judged=sum(distance.judged for distance in distances),
            differing=sum(shares) / len(shares) if shares else None,
        )


def _mismatch(wanted: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> str | None:
    """Return why the outputs can't be compared: one is missing, unexpected, or of another rank."""
    for key in [*wanted, *found]:
        name = name_of(key)
        if key not in found:
            return f"output {name} is missing"
        if key not in wanted:
            return f"output {name} is not one of the reference's"
        if wanted[key].ndim != found[key].ndim:
            return f"output {name} has shape {list(found[key].shape)}, the reference's {list(wanted[key].shape)}"
    return None


def _resized(wanted: NDArray[Any], found: NDArray[Any]) -> int:
    """Return by how many elements an axis of `found` is longer or shorter, at most; 0 if the shapes are equal."""
    return max((abs(mine - theirs) for mine, theirs in zip(found.shape, wanted.shape, strict=True)), default=0)
