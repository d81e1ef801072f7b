"""`autotp demo`: a tuning of a small model that the command builds itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypedDict

import click

from autotp.cli.parameters.declared import DeclaredCommand, given
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
    settings = {"budget_s": BUDGET_S, **given(DemoOptions, values), "out": OUT, "study": "demo", "fresh": True}
    code = run(model, as_json, settings, ABOUT)
    if not as_json and code == 0:
        for line in gains_here(OUT / "tuned.yaml", GAINS):
            click.echo(line)
    raise click.exceptions.Exit(code)


def gains_here(path: Path, gains: Mapping[str, str]) -> list[str]:
    """Return lines that say what the settings in the tuned.yaml `path` gain, if they are proven faster.

    Args:
        path: a tuned.yaml that has just been written.
        gains: by knob, what setting it can gain.
    """
    from autotp.deploy.tuned import read_tuned
    from autotp.findings.ruling import Ruling

    profile = read_tuned(path).profiles[0]
    if profile.result.verdict is not Ruling.WIN:
        return []
    return [f"     {knob}: {gain}." for knob, gain in gains.items() if _has_part(knob, profile.config)]


def _has_part(knob: str, config: Mapping[str, Any]) -> bool:
    """Whether `knob` is set in `config` so that it does what `GAINS` says."""
    streams = config.get("num_streams", 1)
    match knob:
        case "num_streams":
            return bool(streams > 1)
        case "nireq":
            return bool(config.get("nireq", 1) > streams)
        case _:
            return knob in config
