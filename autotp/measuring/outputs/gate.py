"""The output gate: rejects configs whose outputs are wrong.

Outputs on the same samples are compared with a reference (f32, one stream, no split). The errors of OpenVINO's own
hints are accepted in practice, so they set the limit for each output: for its values, for its size if that depends
on the data (such as the number of detections), and for NaN and Inf. If a hint changes the size of an output, its
values have no counterparts, and only its size is judged. If whole numbers follow from another output,
as the likeliest token follows from the logits, that other output is judged instead: if two tokens are about
equally likely, even a more exact config may choose the other one.
"""

from collections.abc import Iterable
from math import ceil

import msgspec

from autotp.measuring.outputs.error import OutputError, worst_error

HINT_ERROR_FACTOR = 1.5
TOLERANCES = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}


class Gate(msgspec.Struct, frozen=True):
    """The limits: the user's absolute `tolerance` if given, else the errors of the `hints`, output by output."""

    tolerance: float | None = None
    hints: OutputError = OutputError(max_abs_error=0.0, max_abs_reference=0.0, finite=True)

    def accepting(self, hints: Iterable[OutputError]) -> "Gate":
        """Return this gate with the worst of `hints` as the errors that are accepted."""
        return Gate(tolerance=self.tolerance, hints=worst_error(hints))

    def rejection(self, error: OutputError, precision: str | None, strict: bool = False) -> str | None:
        """Return why outputs with `error` are wrong for an arm of that inference precision; None if they aren't.

        With `strict`, all whole numbers must equal the reference's, also those that follow from another output,
        whatever the errors of the hints.
        """
        if error.mismatch is not None:
            return error.mismatch
        exact = strict or self.tolerance is not None  # then the hints aren't the measure
        if reason := self._size_rejection(error, exact) or self._placement_rejection(error, exact):
            return reason
        if self.tolerance is None:
            return self._float_rejection(error, precision) or self._whole_number_rejection(error, strict)
        if error.max_abs_error > self.tolerance:
            return f"the largest output error is {error.max_abs_error:.3g}, accepted is {self.tolerance:.3g}"
        return self._whole_number_rejection(error, strict) if strict else None

    @property
    def unchecked(self) -> dict[str, str]:
        """The outputs whose values aren't judged, each with the reason."""
        sizes = dict.fromkeys(self.hints.resized, "has another size with a hint, so only its size was checked")
        return {**self.hints.unchecked, **({} if self.tolerance is not None else sizes)}

    def _size_rejection(self, error: OutputError, exact: bool) -> str | None:
        for name, by in error.resized.items():
            accepted = 0 if exact else ceil(HINT_ERROR_FACTOR * self.hints.resized.get(name, 0))
            if by > accepted:
                return f"the shape of output {name} is off by {by}, accepted is {accepted}"
        return None

    def _placement_rejection(self, error: OutputError, exact: bool) -> str | None:
        for name, share in error.misplaced.items():
            accepted = 0.0 if exact else HINT_ERROR_FACTOR * self.hints.misplaced.get(name, 0.0)
            if share > accepted:
                what = "NaN or Inf where the reference has numbers, or the other way round"
                return f"{share:.2%} of output {name} are {what}, accepted is {accepted:.2%}"
        return None

    def _float_rejection(self, error: OutputError, precision: str | None) -> str | None:
        tolerance = TOLERANCES.get(precision or "f32", TOLERANCES["f32"])
        for name, off in error.relative_errors.items():
            accepted = max(tolerance, HINT_ERROR_FACTOR * self.hints.relative_errors.get(name, 0.0))
            if off > accepted and name not in self.hints.resized:
                return f"the largest error of output {name} is {off:.3g} of its size, accepted is {accepted:.3g}"
        return None

    def _whole_number_rejection(self, error: OutputError, strict: bool) -> str | None:
        for name, differing in (error.differing | error.derived if strict else error.differing).items():
            accepted = 0.0 if strict else HINT_ERROR_FACTOR * self.hints.differing.get(name, 0.0)
            if differing > accepted and (strict or name not in self.hints.resized):
                return f"{differing:.2%} of the whole numbers of output {name} differ, accepted is {accepted:.2%}"
        return None
