"""`autotp measure`: one config, measured as the tuner measures it."""

from pathlib import Path
from typing import Any

import click

from autotp.cli.parameters.declared import DeclaredCommand, given
from autotp.cli.terminal.output import echo_json, notice, show


@click.command(
    "measure",
    cls=DeclaredCommand,
    declared="autotp.measuring.options:MeasureOptions",
    epilog="Example: autotp measure model.xml --set num_streams=2 --set nireq=4 --json",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(model: Path, as_json: bool, **values: Any) -> None:
    """Measure MODEL with the knobs that are set.

    With nireq=1, inferences run one after another. With nireq=N, N run at once; without nireq, as many as OpenVINO
    recommends. With --rate, they arrive at random times, and latency includes the wait for a free request.
    """
    from autotp.measuring.api import measure
    from autotp.measuring.options import MeasureOptions

    options = given(MeasureOptions, values)
    measurement = measure(model, notice=notice, **options)
    if as_json:
        echo_json(measurement.plain())
        return
    from autotp.report.measurements import measurement_table

    show(measurement_table(options.get("settings", {}), measurement))
