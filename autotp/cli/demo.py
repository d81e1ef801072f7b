"""`autotp demo`: a tuning of a small model that the command builds itself."""

from pathlib import Path
from typing import Annotated, Any, TypedDict

import click

from autotp.cli.options import DeclaredCommand, given
from autotp.options import Flag, Form, NoWait

OUT = Path("results/demo")
BUDGET_S = 60.0


class DemoOptions(TypedDict, total=False):
    """Options of the demo."""

    budget_s: Annotated[
        float, Flag(Form.SECONDS, "Total wall time, final measurements included.", default=BUDGET_S)
    ]
    no_wait: NoWait


@click.command(
    "demo",
    cls=DeclaredCommand,
    declared="autotp.cli.demo:DemoOptions",
    epilog="Example: autotp demo --budget 60s",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines; the last one is the verdict.")
def command(as_json: bool, **values: Any) -> None:
    """Build a small transformer and tune it for throughput.

    Writes results/demo/tuned.yaml.
    """
    from autotp.cli.tune import run
    from autotp.files.atomic import writable_folder
    from autotp.runtime.models.demo import build_demo_model

    model = build_demo_model(writable_folder(OUT))
    fixed = {"out": OUT, "study": "demo", "fresh": True}
    run(model, as_json, {"budget_s": BUDGET_S, **given(DemoOptions, values), **fixed})
