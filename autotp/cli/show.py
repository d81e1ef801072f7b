"""`autotp show`: a tuned.yaml in words, and what autotp.load would apply here."""

from pathlib import Path

import click

from autotp.cli.output import echo_json, show


@click.command("show", epilog="Example: autotp show results/demo/tuned.yaml")
@click.argument("tuned", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(tuned: Path, as_json: bool) -> None:
    """Explain the file TUNED, a tuned.yaml, in words.

    Prints what the tuning found, and what autotp.load would apply on this machine.
    """
    from autotp.deploy.guard import Decision, decide, fallback_properties, model_files_path
    from autotp.deploy.tuned import read_tuned
    from autotp.errors import ModelError
    from autotp.runtime.models.model_files import locate
    from autotp.topology.probe import probe

    content = read_tuned(tuned)
    try:
        decision, profile = decide(content, locate(model_files_path(content, tuned)), probe())
    except ModelError as error:
        decision, profile, properties = Decision(False, str(error).rstrip(".")), content.profiles[0], None
    else:
        properties = profile.properties if decision.applied else fallback_properties(content, profile)
    if as_json:
        echo_json({"tuned": content, "decision": decision, "properties": properties})
        return
    from autotp.report.tuned_file import tuned_view

    show(tuned_view(content, profile, decision, properties))
