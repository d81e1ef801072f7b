"""Conditions on one machine: knobs that can never be set here are dropped, with the reason."""

from collections.abc import Sequence

from autotp.space.choices import BoundKnob, Choice
from autotp.space.knobs import KNOBS


def settle(knobs: Sequence[BoundKnob]) -> tuple[list[BoundKnob], dict[str, str]]:
    """Settle what is known of conditions once values have been dropped.

    Args:
        knobs: each after those that it needs; those without choices are gone.

    Returns:
        The knobs that can be set, without conditions that always hold, and why others can't be.
    """
    kept: dict[str, BoundKnob] = {}
    reasons: dict[str, str] = {}
    for knob in knobs:
        met = [
            (other, wanted) for other, wanted in knob.when if other in kept or not _met_by_absence(other, wanted)
        ]
        if reason := _never(knob.multiple_of, met, kept):
            reasons[knob.name] = reason
        else:
            kept[knob.name] = BoundKnob(
                name=knob.name, choices=knob.choices, when=tuple(met), multiple_of=knob.multiple_of
            )
    return list(kept.values()), reasons


def _met_by_absence(name: str, wanted: tuple[Choice, ...]) -> bool:
    """Whether a knob that is never set meets the condition: its word for "not passed" means just that."""
    return None in wanted or (KNOBS[name].not_passed is not None and KNOBS[name].not_passed in wanted)


def _never(
    base: str | None, conditions: Sequence[tuple[str, tuple[Choice, ...]]], kept: dict[str, BoundKnob]
) -> str | None:
    if base is not None and (base not in kept or set(kept[base].choices) == {None}):
        return f"a multiple of {base}, which is never set here"
    for other, wanted in conditions:
        knob = kept.get(other)
        if knob is None or (knob.multiple_of is None and not set(wanted) & set(knob.choices)):
            return f"{other} is never {' or '.join(map(str, wanted))} here"
    return None
