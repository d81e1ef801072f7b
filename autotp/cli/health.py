"""`autotp health`: what disturbs measurements on this machine, and what to do about it."""

from pathlib import Path

import click

from autotp.cli.terminal.output import echo_json, show


@click.command("health", epilog="Example: autotp health")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Read the /proc and /sys recorded in DIR."
)
def command(as_json: bool, sysroot: Path | None) -> None:
    """List what disturbs measurements on this machine.

    Checks clocks, shared cores, quotas, memory settings, other load, and steal (CPU time that the host of a
    virtual machine takes). Each finding comes with the reason why it matters and with what to do.
    """
    from autotp.topology.health.health import health

    advice = health(sysroot)
    if as_json:
        echo_json({"advice": advice})
        return
    from autotp.report.machine import health_view

    show(health_view(advice))
