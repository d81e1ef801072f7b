"""`autotp space`: a search space as it applies to this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from autotp.cli.parameters.declared import DeclaredCommand
from autotp.cli.terminal.output import echo_json, show
from autotp.options import AllowPrecision

if TYPE_CHECKING:
    from autotp.space.schema.choices import BoundKnob


class SpaceOptions(TypedDict, total=False):
    """The option that `space` shares with `tune`."""

    allow_precision: AllowPrecision


@click.command(
    "space",
    cls=DeclaredCommand,
    declared="autotp.cli.space:SpaceOptions",
    epilog="Example: autotp space tensor_parallel --explain",
)
@click.argument("space", metavar="[NAME|FILE]", default="default")
@click.option(
    "--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Use the machine recorded in DIR instead."
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also list every config; of those that OpenVINO treats alike, only one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    space: str, sysroot: Path | None, explain: bool, as_json: bool, allow_precision: tuple[str, ...] | None
) -> None:
    """Show a search space as it applies to this machine.

    Prints the knobs with their values, how many configs they make, and which values were dropped and why.
    """
    from autotp.space.bound_space import bind
    from autotp.space.schema.space_file import load_space
    from autotp.topology.probe import probe

    bound = bind(load_space(space), probe(sysroot), allow_precision or ())
    census = bound.census()
    if as_json:
        effective = [config.to_dict() for config in bound.effective()] if explain else None
        knobs = [_knob(knob) for knob in bound.knobs]
        echo_json(
            {
                "name": bound.name,
                "knobs": knobs,
                "configs": census.configs,
                "effective_configs": census.effective_configs,
                "dropped": census.dropped,
                **({"effective": effective} if explain else {}),
            }
        )
        return
    from autotp.report.space_table import space_view

    show(space_view(bound, census, explain))


def _knob(knob: "BoundKnob") -> dict[str, Any]:
    factor = {} if knob.multiple_of is None else {"multiple_of": knob.multiple_of}
    return {"name": knob.name, "values": knob.choices, "when": dict(knob.when), **factor}
