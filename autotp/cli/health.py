"""`autotp health`: what would make a measurement here untrustworthy, and what to do about it."""

from pathlib import Path

import click

from autotp.cli.output import echo_json, show


@click.command("health", epilog="Example: autotp health")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Read a recorded /proc and /sys.")
def command(as_json: bool, sysroot: Path | None) -> None:
    """List what disturbs measurements on this machine: clocks, sharing, other load, quotas, steal."""
    from autotp.topology import health

    advice = health(sysroot)
    if as_json:
        echo_json({"advice": advice})
        return
    from autotp.report.machine import health_view

    show(health_view(advice))
