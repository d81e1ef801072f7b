"""`autotp space`: what there is to search here, and what was dropped."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotp.cli.output import echo_json, show
from autotp.cli.params import Words

if TYPE_CHECKING:
    from autotp.space import BoundKnob


@click.command("space", epilog="Example: autotp space tensor_parallel --explain")
@click.argument("space", metavar="[NAME|FILE]", default="default")
@click.option(
    "--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Bind to a recorded /proc and /sys."
)
@click.option("--allow-precision", type=Words(), default=(), metavar="LIST", help="Precisions below the default.")
@click.option("--explain", is_flag=True, help="List every effective config.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    space: str, sysroot: Path | None, allow_precision: tuple[str, ...], explain: bool, as_json: bool
) -> None:
    """Show the knobs of a space on this machine, how many configs they make, and what was dropped and why."""
    from autotp.space import bind, load_space
    from autotp.topology import probe

    bound = bind(load_space(space), probe(sysroot), allow_precision)
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
