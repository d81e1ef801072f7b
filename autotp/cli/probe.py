"""`autotp probe`: the machine, and what this process may use of it."""

from pathlib import Path

import click

from autotp.cli.terminal.output import echo_json, show


@click.command("probe", epilog="Example: autotp probe --json")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Read the /proc and /sys recorded in DIR."
)
@click.option(
    "--record",
    "recording",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also record what was read in the new folder DIR, without private data, for a bug report.",
)
def command(as_json: bool, sysroot: Path | None, recording: Path | None) -> None:
    """Show this machine and what this process may use of it.

    Prints sockets, NUMA nodes, cores, caches, instruction sets (ISA), the envelope (the CPUs, CPU quota and memory
    that this process may use) and the fingerprint that tuned results are bound to.
    """
    from autotp.topology.hardware.cpuinfo import brand
    from autotp.topology.probe import probe
    from autotp.topology.recording import record
    from autotp.topology.summary import summary

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
