"""`autotp measure`: one config, measured the way the tuner does."""

from pathlib import Path
from typing import Any

import click

from autotp.cli.output import echo_json, say_waiting, show
from autotp.cli.params import (
    Duration,
    InputShape,
    KnobSetting,
    NamedShape,
    Setting,
    no_wait_option,
    rate_option,
    token_options,
)


@click.command("measure", epilog="Example: autotp measure model.xml --set num_streams=2 --set nireq=4 --json")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, type=KnobSetting(), help="Set a knob.")
@click.option("--shape", "shapes", multiple=True, type=InputShape(), help="Static shape of an input.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE.npz", help="Real inputs, an array each.")
@click.option("--budget", type=Duration(), default="5s", show_default=True, help="How long to run blocks.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the inputs.")
@rate_option
@token_options
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    model: Path, settings: tuple[Setting, ...], shapes: tuple[NamedShape, ...],
    data: Path | None, budget: float, seed: int, rate_per_s: float | None, no_wait: bool, as_json: bool,
    **tokens: Any,
) -> None:  # fmt: skip
    """Measure MODEL with the knobs that are set; a single request runs synchronously, several in flight.

    With --rate inferences arrive as those of many people do, and their latency includes the wait for a request.
    """
    from autotp.errors import SpaceError
    from autotp.measure import (
        ArmSpec,
        Asked,
        Blocks,
        Workers,
        generation_for,
        inspect,
        machine_lock,
        measure,
        plans_of,
        policy_of,
        requests_of,
        with_prompt,
        workload_for,
    )
    from autotp.runtime import locate
    from autotp.space import Config, affinity, config_dropped
    from autotp.topology import probe

    config, files = Config.of(dict(settings)), locate(model)
    if reason := config_dropped(config, files.generates):
        raise SpaceError(f"{config}: {reason}.")
    topology = probe()
    masks = affinity(config, topology.machine, topology.envelope)
    generation = generation_for(files, (), Asked(**tokens))
    workload = workload_for((), budget, seed=seed, data=data, rate_per_s=rate_per_s, generation=generation)
    workload = workload.batched(config.count("batch"))
    plans = plans_of(config, masks, files, dict(shapes), requests_of(config, (), workload))
    lock = machine_lock(f"autotp measure {files.path.name}", no_wait, say_waiting)
    with lock, Workers() as workers:
        inspect(workers, files, dict(shapes))
        workload = with_prompt(workers, files, workload)
        spec, policy = ArmSpec(plans=plans, workload=workload), None
        if config.tensor_parallel:
            policy = policy_of(config, masks, files, dict(shapes), workload, topology)
        measurement = measure(workers, spec, budget, Blocks.within(topology.envelope, workload), policy)
    if as_json:
        echo_json(measurement.flat)
        return
    from autotp.report import measurement_table

    show(measurement_table(config, measurement))
