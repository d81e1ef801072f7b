"""`autotp compare`: two settings against each other, proven as a tuning proves a gain."""

from pathlib import Path
from typing import Any

import click

from autotp.cli.output import echo_json, say_waiting, show
from autotp.cli.params import Duration, InputShape, NamedShape, no_wait_option, rate_option, token_options

EXIT_CODES = {"win": 0, "tie": 0, "lose": 1, "unknown": 3}


@click.command("compare", epilog="Example: autotp compare results/demo/tuned.yaml hint:THROUGHPUT --budget 60s")
@click.argument("a")
@click.argument("b")
@click.option("--model", type=click.Path(path_type=Path), help="The model.  [default: that of a tuned file]")
@click.option("--shape", "shapes", multiple=True, type=InputShape(), help="Static shape of an input.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE.npz", help="Real inputs, an array each.")
@click.option("--objective", metavar="M", help="As for tune.  [default: that of a tuned file, else the usual one]")
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Wall time, starts included.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Of inputs and order.  [default: that of a tuned file, else 0]",
)
@rate_option
@token_options
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    a: str, b: str, model: Path | None, shapes: tuple[NamedShape, ...], data: Path | None, objective: str | None,
    budget: float, seed: int | None, rate_per_s: float | None, no_wait: bool, as_json: bool, **tokens: Any,
) -> None:  # fmt: skip
    """Tell whether A is faster than B: exit code 0 where it is or where they tie, 1 where it is slower.

    Each is a tuned.yaml, a hint such as hint:THROUGHPUT, or knobs such as 'num_streams=4,nireq=8'.
    """
    from autotp.cli.sides import contenders_of, model_of, objective_of, read_side, shapes_of, workload_of
    from autotp.measure import Asked, Blocks, Workers, compare, inspect, machine_lock, with_prompt
    from autotp.report import comparison_view
    from autotp.topology import probe

    sides = (read_side(a), read_side(b))
    files, chosen = model_of(sides, model), shapes_of(sides, dict(shapes))
    metric = objective_of(sides, objective, files)
    workload = workload_of(
        sides, files, metric, budget, seed=seed, data=data, rate_per_s=rate_per_s, asked=Asked(**tokens)
    )
    topology = probe()
    contenders, warnings = contenders_of(sides, files, chosen, metric, workload, topology)
    for warning in warnings:
        click.echo(f"autotp: warning: {warning}.", err=True)
    lock = machine_lock(f"autotp compare {files.path.name}", no_wait, say_waiting)
    with lock, Workers() as workers:
        inspect(workers, files, chosen)
        workload = with_prompt(workers, files, workload)
        blocks = Blocks.within(topology.envelope, workload)
        found = compare(
            workers, contenders.prompted(workload.prompt_tokens), metric, budget, blocks, workload.seed
        )
    if as_json:
        echo_json(found)
    else:
        show(comparison_view(a, b, found))
    raise click.exceptions.Exit(EXIT_CODES[found.verdict])
