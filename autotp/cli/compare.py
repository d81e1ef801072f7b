"""`autotp compare`: two settings against each other, proven as a tuning proves a gain."""

from pathlib import Path

import click

from autotp.cli.output import echo_json, say_waiting, show
from autotp.cli.params import Duration, InputShape, NamedShape, no_wait_option, rate_option

EXIT_CODES = {"win": 0, "tie": 0, "lose": 1, "unknown": 3}


@click.command("compare", epilog="Example: autotp compare results/demo/tuned.yaml hint:THROUGHPUT --budget 60s")
@click.argument("a")
@click.argument("b")
@click.option("--model", type=click.Path(path_type=Path), help="The model.  [default: that of a tuned file]")
@click.option("--shape", "shapes", multiple=True, type=InputShape(), help="Static shape of an input.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE.npz", help="Real inputs, an array each.")
@click.option("--objective", metavar="M", help="As for tune.  [default: that of a tuned file, else throughput]")
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Wall time, starts included.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of inputs and order."
)
@rate_option
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    a: str, b: str, model: Path | None, shapes: tuple[NamedShape, ...], data: Path | None, objective: str | None,
    budget: float, seed: int, rate_per_s: float | None, no_wait: bool, as_json: bool,
) -> None:  # fmt: skip
    """Tell whether A is faster than B: exit code 0 where it is or where they tie, 1 where it is slower.

    Each is a tuned.yaml, a hint such as hint:THROUGHPUT, or knobs such as 'num_streams=4,nireq=8'.
    """
    from autotp.cli.sides import model_of, objective_of, plans_of_side, rate_of, read_side, shapes_of
    from autotp.errors import InputError
    from autotp.measure import (
        ArmSpec,
        Blocks,
        Contenders,
        Workers,
        Workload,
        compare,
        inspect,
        machine_lock,
    )
    from autotp.measure.arrivals import check_rate
    from autotp.measure.plans import usual_requests
    from autotp.report import comparison_view
    from autotp.topology import probe

    sides = (read_side(a), read_side(b))
    files, chosen, metric = model_of(sides, model), shapes_of(sides, dict(shapes)), objective_of(sides, objective)
    if data is not None and not data.is_file():
        raise InputError(f"Data file {data} doesn't exist.")
    topology = probe()
    hints = (read_side("hint:latency"), read_side("hint:throughput"))
    rate_per_s = rate_of(sides, rate_per_s)
    if rate_per_s is not None:
        check_rate(rate_per_s)
        if metric.maximize:
            raise InputError("--rate fixes the throughput; choose a latency objective, for example latency_p99.")
    workload = Workload(seed=seed, data=None if data is None else str(data.resolve()), rate_per_s=rate_per_s)
    plans = [
        plans_of_side(side, files, chosen, usual_requests([metric], rate_per_s), topology)
        for side in (*sides, *hints)
    ]
    specs = [ArmSpec(plans=of_side, workload=workload) for of_side, _ in plans]
    for _, warning in plans:
        if warning is not None:
            click.echo(f"autotp: warning: {warning}.", err=True)
    lock = machine_lock(f"autotp compare {files.path.name}", no_wait, say_waiting)
    with lock, Workers() as workers:
        inspect(workers, files, chosen)
        contenders = Contenders(a=specs[0], b=specs[1], hints=tuple(specs[2:]))
        found = compare(workers, contenders, metric, budget, Blocks.within(topology.envelope), seed)
    if as_json:
        echo_json(found)
    else:
        show(comparison_view(a, b, found))
    raise click.exceptions.Exit(EXIT_CODES[found.verdict])
