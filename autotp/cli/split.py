"""`autotp split`: a model with split fully connected layers, written as OpenVINO IR."""

from pathlib import Path

import click

from autotp.cli.terminal.output import without_library_logs


@click.command("split", epilog="Example: autotp split openvino_model.xml --count 2 --min-weights 0 -o split.xml")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(2), required=True, help="How many parts to split each layer into.")
@click.option(
    "--min-weights", type=click.IntRange(0), help="Split layers of at least this many weights.  [default: 6600000]"
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FILE.xml", help="The IR to write."
)
def command(model: Path, count: int, min_weights: int | None, out: Path) -> None:
    """Split large layers of MODEL and write it as OpenVINO IR.

    Fully connected layers are split by output channel. OpenVINO runs the result like any other model.
    `autotp tune` tries such splits and `autotp.load` makes them in memory; write a file to use the split model
    without autotp.
    """
    from autotp.runtime.graph.split_ir import save_split
    from autotp.runtime.models.model_files import locate
    from autotp.space.knobs.graph_split import MIN_WEIGHTS, GraphSplit

    split = GraphSplit(count, MIN_WEIGHTS if min_weights is None else min_weights)
    with without_library_logs():
        layers = save_split(locate(model), split, out)
    click.echo(f"{layers} fully connected layer(s) of {model} split into {count} parts each: {out}")
