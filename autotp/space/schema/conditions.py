"""Conditions between knobs on one machine: removes knobs that can never be set there."""

from collections.abc import Sequence

from autotp.space.knobs.table import KNOBS
from autotp.space.schema.choices import BoundKnob, Choice


def resolve_conditions(knobs: Sequence[BoundKnob]) -> tuple[list[BoundKnob], dict[str, str]]:
    """Remove knobs whose conditions can't be met, and conditions that always are.

    Args:
        knobs: after dropping values that can't run; each knob comes after those that it depends on.

    Returns:
        The remaining knobs, and the reasons for removed multiples, by name. Other removed knobs need no reason: it
        was given when the value in their condition was dropped.
    """
    kept: dict[str, BoundKnob] = {}
    reasons: dict[str, str] = {}
    for knob in knobs:
        met = [
            (other, wanted) for other, wanted in knob.when if other in kept or not _met_by_absence(other, wanted)
        ]
        base = knob.multiple_of
        if base is not None and (base not in kept or set(kept[base].choices) == {None}):
            reasons[knob.name] = f"a multiple of {base}, which is never set here"
        elif all(_may_hold(kept.get(other), wanted) for other, wanted in met):
            kept[knob.name] = BoundKnob(
                name=knob.name, choices=knob.choices, when=tuple(met), multiple_of=knob.multiple_of
            )
    return list(kept.values()), reasons


def _met_by_absence(name: str, wanted: tuple[Choice, ...]) -> bool:
    """Whether a knob that is never set meets the condition: None is wanted, or its word for "not passed"."""
    return None in wanted or (KNOBS[name].not_passed is not None and KNOBS[name].not_passed in wanted)


def _may_hold(knob: BoundKnob | None, wanted: tuple[Choice, ...]) -> bool:
    return knob is not None and (knob.multiple_of is not None or not set(wanted).isdisjoint(knob.choices))
