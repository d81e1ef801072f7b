"""`autotp tune`: the main job."""

from pathlib import Path
from typing import Any

import click

from autotp.cli.output import echo_json
from autotp.cli.params import (
    CpuList,
    Duration,
    InputShape,
    KnobSetting,
    NamedShape,
    ObjectiveOption,
    Setting,
    Settings,
    Words,
    no_wait_option,
    rate_option,
    token_options,
)

UNKNOWN = 3


@click.command("tune", epilog="Example: autotp tune model.onnx --shape 'x=[1,3,48,320]' --budget 2m")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="M",
    cls=ObjectiveOption,
)
@click.option(
    "--constraint",
    "constraints",
    multiple=True,
    metavar="BOUND",
    help="For example 'latency_p99<20ms' or 'memory<2GiB'.",
)
@click.option(
    "--space", metavar="NAME|FILE", help="Space.  [default: default, for a language model language_model]"
)
@click.option("--fix", "fixed", multiple=True, type=KnobSetting(words=True), help="Hold a knob at one value.")
@click.option("--baseline", type=Settings(), metavar="FILE|'knob=value,…'", help="Your own settings, to beat too.")
@click.option("--budget", type=Duration(), default="5m", show_default=True, help="Wall time, finals included.")
@click.option("--trials", type=click.IntRange(min=1), help="The most arms to search.")
@click.option("--shape", "shapes", multiple=True, type=InputShape(), help="Static shape of an input.")
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE.npz", help="Real inputs, an array each.")
@rate_option
@token_options
@click.option("--cpus", type=CpuList(), metavar="LIST", help="Stay on these CPUs, for example 0-3.")
@click.option("--tolerance", type=click.FloatRange(min=0), help="Largest absolute output error accepted.")
@click.option("--allow-precision", type=Words(), default=(), metavar="LIST", help="Precisions below the default.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the study.")
@click.option("--study", metavar="NAME", help="Name of the study.  [default: MODEL-OBJECTIVE]")
@click.option("--storage", metavar="URL", help="Optuna storage.  [default: study.db in the folder]")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of inputs, proposals and order.",
)
@click.option("--resume", is_flag=True, help="Go on with an existing study.")
@click.option("--fresh", is_flag=True, help="Replace an existing study.")
@no_wait_option
@click.option("--json", "as_json", is_flag=True, help="JSON lines; the last one is the verdict.")
def command(
    model: Path, budget: float, fixed: tuple[Setting, ...], shapes: tuple[NamedShape, ...],
    as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Search for settings of MODEL that beat OpenVINO's best hint, prove it, and write tuned.yaml.

    MODEL is an IR .xml, an .onnx, or a folder that holds openvino_model.xml.
    """
    code = run(model, as_json, budget_s=budget, fix=dict(fixed), shapes=dict(shapes), **options)
    raise click.exceptions.Exit(code)


def run(model: Path, as_json: bool, **options: Any) -> int:
    """Tune and print what happens; return the exit code of the verdict."""
    import logging
    import signal

    from autotp.report import describe_event
    from autotp.tuning import Event, Ruled, tune

    logging.getLogger("optuna").setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a container's stop ends like Ctrl-C
    verdicts: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Ruled):
            verdicts.append(event.tuned.profiles[0].result.verdict)
        if not as_json:
            for line in describe_event(event):
                click.echo(line)
        elif isinstance(event, Ruled):
            import msgspec

            echo_json({"event": "verdict", **msgspec.to_builtins(event.tuned)})
        else:
            echo_json(event)

    tune(model, listener=listen, **options)
    return UNKNOWN if verdicts[-1] == "unknown" else 0
