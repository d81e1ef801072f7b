"""`autotp tune`: find, prove and write faster settings for a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autotp.cli.parameters.declared import DeclaredCommand, given
from autotp.cli.terminal.output import echo_json

if TYPE_CHECKING:
    from autotp.tuning.events import Event

UNKNOWN = 3


@click.command(
    "tune",
    cls=DeclaredCommand,
    declared="autotp.tuning.options:TuneOptions",
    epilog="Example: autotp tune model.onnx --shape 'x=[1,3,48,320]' --budget 2m",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines; the last one is the verdict.")
def command(model: Path, as_json: bool, **values: Any) -> None:
    """Find faster settings for MODEL, prove them, write tuned.yaml.

    The settings must beat the best of OpenVINO's hints in measurements of their own after the search.

    MODEL is a file that OpenVINO reads, such as an IR's .xml, an .onnx, .pb, .tflite or .pdmodel, or a folder
    that holds openvino_model.xml or TensorFlow's saved_model.pb.
    """
    from autotp.tuning.options import TuneOptions

    raise click.exceptions.Exit(run(model, as_json, given(TuneOptions, values)))


def run(model: Path, as_json: bool, options: dict[str, Any], about: str | None = None) -> int:
    """Tune, print the events, and return the exit code of the verdict.

    Once the tuning has begun, what the model is `about` is printed, too.
    """
    import logging

    from autotp.report.progress import describe_event
    from autotp.tuning.api import tune
    from autotp.tuning.events import BudgetTooShort, TuningBegan, VerdictReached

    logging.getLogger("optuna").setLevel(logging.WARNING)
    verdicts: list[str] = []

    def listen(event: "Event") -> None:
        if isinstance(event, VerdictReached):
            verdicts.append(event.tuned.profiles[0].result.verdict)
        is_warning = isinstance(event, BudgetTooShort)
        for line in describe_event(event) if is_warning or not as_json else ():
            click.echo(line, err=is_warning)
        if as_json:
            _echo_event(event)
        elif about is not None and isinstance(event, TuningBegan):
            click.echo(f"model     {about}")

    tune(model, listener=listen, **options)
    return UNKNOWN if verdicts[-1] == "unknown" else 0


def _echo_event(event: "Event") -> None:
    """Write `event` as a line of JSON; the verdict's holds the content of tuned.yaml."""
    import msgspec

    from autotp.tuning.events import VerdictReached

    if not isinstance(event, VerdictReached):
        echo_json(event)
        return
    kept = {} if event.kept is None else {"kept": event.kept}
    echo_json({"event": "verdict", **msgspec.to_builtins({**msgspec.structs.asdict(event.tuned), **kept})})
