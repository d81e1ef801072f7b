"""`autotp show`: a tuned.yaml in words, and what autotp.load would apply here."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autotp.cli.terminal.output import echo_json, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autotp.deploy.guard import Decision
    from autotp.deploy.tuned import Profile, Tuned


@click.command("show", epilog="Example: autotp show results/demo/tuned.yaml")
@click.argument("tuned", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(tuned: Path, as_json: bool) -> None:
    """Explain the file TUNED, a tuned.yaml, in words.

    Prints what the tuning found, and what autotp.load would apply on this machine.
    """
    from autotp.deploy.tuned import read_tuned

    content = read_tuned(tuned)
    decision, profile, properties = _decide(content, tuned)
    if as_json:
        echo_json({"tuned": content, "decision": decision, "properties": properties})
        return
    from autotp.report.tuned_file import tuned_view

    show(tuned_view(content, profile, decision, properties))


def _decide(content: "Tuned", path: Path) -> "tuple[Decision, Profile, Mapping[str, str] | None]":
    """Return what autotp.load would decide here, about which profile, and the properties that it would apply."""
    from autotp.deploy.guard import Decision, decide, fallback_properties, model_files_path
    from autotp.deploy.targets.autotp_load import TARGET
    from autotp.errors import ModelError
    from autotp.runtime.models.model_files import locate
    from autotp.topology.probe import probe

    first = content.profiles[0]
    if reason := TARGET.why_not(content, first):
        return Decision(False, reason), first, None
    try:
        decision, profile = decide(content, locate(model_files_path(content, path)), probe())
    except ModelError as error:
        return Decision(False, str(error).rstrip(".")), first, None
    return decision, profile, profile.properties if decision.applied else fallback_properties(content, profile)
