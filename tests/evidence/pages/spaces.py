"""Sections of the page about search spaces: tables of the knobs and of the spaces that come with autotp."""

from pathlib import Path

from autotp.space.knobs.table import KNOBS, Knob
from autotp.space.schema.space_file import load_space, named_spaces
from tests.evidence.pages.markdown import table

SPACES = Path(__file__).parents[3] / "search_spaces"


def knobs() -> str:
    """Every knob with what it takes and the OpenVINO property that it sets."""
    rows = ((f"`{knob.name}`", _property(knob), _values(knob)) for knob in KNOBS.values())
    return table(("knob", "OpenVINO property", "values"), rows)


def spaces() -> str:
    """Every space that comes with autotp, with its own first comment and its knobs."""
    rows = ((f"[`{name}`]({name}.yaml)", _purpose(name), ", ".join(_knobs_of(name))) for name in named_spaces())
    return table(("space", "what for", "knobs"), rows)


def _property(knob: Knob) -> str:
    return f"`{knob.property}`" if knob.property else "none: autotp does it"


def _values(knob: Knob) -> str:
    return ", ".join(f"`{choice}`" for choice in knob.choices) or knob.kind.value


def _purpose(name: str) -> str:
    """The first sentence of the comment that opens the file."""
    lines = (SPACES / f"{name}.yaml").read_text().splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return comment.partition(". ")[0].rstrip(".") + "."


def _knobs_of(name: str) -> list[str]:
    return [f"`{spec.knob.name}`" for spec in load_space(name).specs]
