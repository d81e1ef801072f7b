"""A search space as a table for rich to print: its knobs with their values here, and what was dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotp.space.knobs.config import spell_value

if TYPE_CHECKING:
    from autotp.space.bound_space import BoundSpace, Census


def space_view(bound: BoundSpace, census: Census, explain: bool) -> RenderableType:
    """Return the knobs with their values here, the counts, what was dropped, and with `explain` each config."""
    table = Table("knob", "values here", "when", title=Text(f"space {bound.name}"), title_justify="left")
    for knob in bound.knobs:
        values = ", ".join("default" if choice is None else spell_value(choice) for choice in knob.choices)
        factor = f"{knob.multiple_of} × " if knob.multiple_of else ""
        when = " and ".join(f"{other} in {', '.join(map(spell_value, wanted))}" for other, wanted in knob.when)
        table.add_row(knob.name, factor + values, when)
    parts: list[RenderableType] = [table]
    parts.append(Text(f"{census.configs} configs, {census.effective_configs} that may differ"))
    for dropped in census.dropped:
        count = "" if dropped.configs is None else f" ({dropped.configs} configs)"
        parts.append(Text(f"dropped {dropped.what}: {dropped.reason}{count}"))
    if explain:
        parts += [Text(f"  {config}") for config in bound.effective()]
    return Group(*parts)
