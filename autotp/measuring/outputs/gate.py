"""The output gate: rejects configs whose outputs are wrong.

Outputs on the same samples are compared with a reference (f32, one stream, no split). The errors of OpenVINO's own
hints are accepted in practice, so they set the limit for each output. If whole numbers follow from another output,
as the likeliest token follows from the logits, that other output is judged instead: if two tokens are about
equally likely, even a more exact config may choose the other one.
"""

from collections.abc import Iterable

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
        if not error.finite:
            return "the outputs hold NaN or Inf where the reference has numbers, or the other way round"
        if self.tolerance is None:
            return self._float_rejection(error, precision) or self._whole_number_rejection(error, strict)
        if error.max_abs_error > self.tolerance:
            return f"the largest output error is {error.max_abs_error:.3g}, accepted is {self.tolerance:.3g}"
        return self._whole_number_rejection(error, strict) if strict else None

    def _float_rejection(self, error: OutputError, precision: str | None) -> str | None:
        tolerance = TOLERANCES.get(precision or "f32", TOLERANCES["f32"])
        for name, off in error.relative_errors.items():
            accepted = max(tolerance, HINT_ERROR_FACTOR * self.hints.relative_errors.get(name, 0.0))
            if off > accepted:
                return f"the largest error of output {name} is {off:.3g} of its size, accepted is {accepted:.3g}"
        return None

    def _whole_number_rejection(self, error: OutputError, strict: bool) -> str | None:
        for name, differing in (error.differing | error.derived if strict else error.differing).items():
            accepted = 0.0 if strict else HINT_ERROR_FACTOR * self.hints.differing.get(name, 0.0)
            if differing > accepted:
                return f"{differing:.2%} of the whole numbers of output {name} differ, accepted is {accepted:.2%}"
        return None
