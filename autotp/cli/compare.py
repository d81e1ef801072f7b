"""`autotp compare`: two settings against each other, judged by the statistics of a tuning's finals."""

from typing import Any

import click

from autotp.cli.parameters.declared import DeclaredCommand, given
from autotp.cli.terminal.output import echo_json, notice, show

EXIT_CODES = {"win": 0, "tie": 0, "lose": 1, "unknown": 3}


@click.command(
    "compare",
    cls=DeclaredCommand,
    declared="autotp.measuring.options:CompareOptions",
    epilog="Example: autotp compare results/demo/tuned.yaml hint:THROUGHPUT --budget 60s",
)
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(a: str, b: str, as_json: bool, **values: Any) -> None:
    """Find out whether A is faster than B.

    A and B are each a tuned.yaml, a hint such as hint:THROUGHPUT, or knobs such as 'num_streams=4,nireq=8'.

    Exit code: 0 if A is faster or they tie, 1 if A is slower, 3 if it could not be decided.
    """
    from autotp.measuring.api import compare
    from autotp.measuring.options import CompareOptions

    found = compare(a, b, notice=notice, **given(CompareOptions, values))
    if as_json:
        echo_json(found)
    else:
        from autotp.report.measurements import comparison_view

        show(comparison_view(a, b, found))
    raise click.exceptions.Exit(EXIT_CODES[found.verdict])
