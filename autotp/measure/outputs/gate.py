"""The output gate: a faster config that answers differently is not faster.

Outputs on the same samples are compared with a reference (f32, one stream, no split). What OpenVINO's own
hints make of them is what is accepted in practice, so their error is recorded as the bar.

Each output of floats is judged by its own size and by what the hints do to that output, so that neither a large
one (logits) nor one that is all rounding excuses anything in a small one (scores). Whole numbers and truth values
(classes, tokens) are the same or not: how far apart two class numbers are means nothing, so what counts is how
many differ. Where another output decides them, as logits do the likeliest token, that one is judged: of two tokens
that are about as likely a more exact config may say the other. NaN and Inf have to be where the reference has
them; an output that is nothing else can't be judged.
"""

import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.errors import EnvironmentFailure
from autotp.measure.protocol import OutputError

REFERENCE_PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
EXACT_GENERATION = {"KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}  # of a language model
HINT_ERROR_FACTOR = 1.5
TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}
LEAST_SIZE = 1e-6  # smaller outputs are taken for zeros; scores over a vocabulary of 200 000 are larger

NamedOutputs = Sequence[dict[str, NDArray[Any]]]


class Gate(msgspec.Struct, frozen=True):
    """The bar: the person's absolute `tolerance`, else what the `hints` do, output by output."""

    tolerance: float | None = None
    hints: OutputError = OutputError(max_abs_error=0.0, max_abs_reference=0.0, finite=True)

    def accepting(self, hints: Iterable[OutputError]) -> "Gate":
        """Return this gate with the worst that `hints` do as what is accepted in practice."""
        return Gate(tolerance=self.tolerance, hints=worst_error(hints))

    def rejects(self, error: OutputError, precision: str | None, strict: bool = False) -> str | None:
        """Return why outputs with `error` of an arm of that inference precision are wrong, None if they aren't.

        With `strict` whole numbers must be the reference's, those that another output decides, too, whatever the
        hints make of them.
        """
        if error.mismatch is not None:
            return error.mismatch
        if not error.finite:
            return "the outputs hold NaN or Inf where the reference has numbers, or the other way round"
        if self.tolerance is None:
            return self._rejects_floats(error, precision) or self._rejects_whole(error, strict)
        if error.max_abs_error > self.tolerance:
            return f"the largest output error is {error.max_abs_error:.3g}, accepted is {self.tolerance:.3g}"
        return self._rejects_whole(error, strict) if strict else None

    def _rejects_floats(self, error: OutputError, precision: str | None) -> str | None:
        tolerance = TOLERANCES.get(precision or "f32", TOLERANCES["f32"])
        for name, off in error.relative_errors.items():
            accepted = max(tolerance, HINT_ERROR_FACTOR * self.hints.relative_errors.get(name, 0.0))
            if off > accepted:
                return f"the largest error of output {name} is {off:.3g} of its size, accepted is {accepted:.3g}"
        return None

    def _rejects_whole(self, error: OutputError, strict: bool) -> str | None:
        for name, differing in (error.differing | error.derived if strict else error.differing).items():
            accepted = 0.0 if strict else HINT_ERROR_FACTOR * self.hints.differing.get(name, 0.0)
            if differing > accepted:
                return f"{differing:.2%} of the whole numbers of output {name} differ, accepted is {accepted:.2%}"
        return None


def worst_error(errors: Iterable[OutputError]) -> OutputError:
    """Return the worst in each respect: of an arm's instances, or of several arms."""
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


def reference_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder for the reference outputs that goes with its owner.

    Raises:
        EnvironmentFailure: there is no place for it.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="autotp-")
    except OSError as error:
        raise EnvironmentFailure(
            f"No folder for temporary files can be made ({error.strerror}): set TMPDIR to one that can be written."
        ) from error


def save_outputs(path: Path, outputs: NamedOutputs) -> None:
    """Write the outputs of each sample to `path` (.npz)."""
    arrays = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_outputs(path: Path) -> dict[str, NDArray[Any]]:
    """Return the outputs saved at `path`, by the sample's index and the name: `0/logits`."""
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def compare_outputs(path: Path, outputs: NamedOutputs, told: Collection[str] | None = None) -> OutputError:
    """Compare the outputs of each sample with those saved at `path`.

    Args:
        path: of the reference's.
        outputs: of an arm.
        told: names of those that decide the others, whose largest error and size are told; all where None.
    """
    found = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    wanted = load_outputs(path)
    mismatch = _mismatch(wanted, found)
    by_output: dict[str, list[_Distance]] = {}
    for key in wanted if mismatch is None else ():
        by_output.setdefault(key.partition("/")[2], []).append(_Distance.of(wanted[key], found[key]))
    worst = {name: _Distance.worst(distances) for name, distances in by_output.items()}
    blind = next((name for name, distance in worst.items() if distance.elements and not distance.judged), None)
    if blind is not None:
        mismatch = f"output {blind} can't be judged, the reference has no finite number there: give it real inputs"
    whole = {name: d.differing for name, d in worst.items() if d.differing is not None}
    deciding = {name for name in worst if told is None or name in told}
    sized = [worst[name] for name in deciding]
    return OutputError(
        max_abs_error=max((distance.error for distance in sized), default=0.0),
        max_abs_reference=max((distance.size for distance in sized), default=0.0),
        finite=all(distance.finite for distance in worst.values()),
        relative_errors={
            name: d.error / max(LEAST_SIZE, d.size) for name, d in worst.items() if d.differing is None
        },
        differing={name: share for name, share in whole.items() if name in deciding},
        derived={name: share for name, share in whole.items() if name not in deciding},
        mismatch=mismatch,
    )


class _Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far one output is off: the largest error, the reference's size; of whole numbers how many differ.

    `judged` are those of its elements for which the reference has a number.
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
        """Return what is worst over the samples of one output."""
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
