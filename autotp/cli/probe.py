"""`autotp probe`: the machine, and what this process may use of it."""

from pathlib import Path

import click

from autotp.cli.output import echo_json, show


@click.command("probe", epilog="Example: autotp probe --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Read a recorded /proc and /sys.")
@click.option(
    "--record",
    "recording",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write what was read into the new folder DIR, with nothing private in it, for a bug report.",
)
def command(as_json: bool, sysroot: Path | None, recording: Path | None) -> None:
    """Show sockets, NUMA nodes, cores, ISA, and the envelope of this process, as a tree."""
    from autotp.topology import brand, probe, record, summary

    name = brand(sysroot)
    topology = probe(sysroot) if recording is None else record(recording, sysroot, name)
    if recording is not None:
        click.echo(f"recorded in {recording}; to read it: autotp probe --sysroot {recording}", err=True)
    facts = summary(topology, name)
    if as_json:
        echo_json(facts)
        return
    from autotp.report.machine import topology_tree

    show(topology_tree(topology, facts))
