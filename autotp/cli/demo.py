"""`autotp demo`: the main job on a model that is built on the spot."""

from pathlib import Path

import click

from autotp.cli.params import Duration, no_wait_option

OUT = Path("results/demo")


@click.command("demo", epilog="Example: autotp demo --budget 60s")
@click.option("--budget", type=Duration(), default="60s", show_default=True, help="Wall time, finals included.")
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="JSON lines; the last one is the verdict.")
def command(budget: float, no_wait: bool, as_json: bool) -> None:
    """Build a small transformer, tune it for throughput, and write results/demo/tuned.yaml."""
    from autotp.cli.tune import run
    from autotp.files import writable_folder
    from autotp.runtime import build_demo_model

    model = build_demo_model(writable_folder(OUT))
    run(model, as_json, budget_s=budget, out=OUT, study="demo", fresh=True, no_wait=no_wait)
