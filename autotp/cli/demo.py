"""`autotp demo`: a tuning of a small model that the command builds itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

import click

from autotp.cli.options import DeclaredCommand, given
from autotp.cli.output import echo_json
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
    """Build a small convolutional network and tune it for throughput.

    The network is one for which OpenVINO's hints are often not the best. Writes results/demo/tuned.yaml.
    """
    from autotp.cli.tune import run
    from autotp.files.atomic import writable_folder
    from autotp.runtime.models.demo import ABOUT, GAINS, build_demo_model

    model = build_demo_model(writable_folder(OUT))
    if as_json:
        echo_json({"event": "demo", "about": ABOUT, "gains": GAINS})
    else:
        click.echo(f"demo      {ABOUT}")
    fixed = {"out": OUT, "study": "demo", "fresh": True}
    run(model, as_json, {"budget_s": BUDGET_S, **given(DemoOptions, values), **fixed})
    if not as_json:
        for line in gains_here(OUT / "tuned.yaml", GAINS):
            click.echo(line)


def gains_here(path: Path, gains: Mapping[str, str]) -> list[str]:
    """Return lines that say what the settings in the tuned.yaml `path` gain, if they are proven faster.

    Args:
        path: a tuned.yaml.
        gains: by knob, what setting it can gain.
    """
    from autotp.deploy.tuned import read_tuned
    from autotp.findings.ruling import Ruling

    profile = read_tuned(path).profiles[0]
    if profile.result.verdict is not Ruling.WIN:
        return []
    return [f"     {knob}: {gain}." for knob, gain in gains.items() if knob in profile.config]
