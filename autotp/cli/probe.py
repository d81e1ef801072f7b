"""`autotp probe`: the machine, and what this process may use of it."""

from pathlib import Path

import click

from autotp.cli.output import echo_json, show


@click.command("probe", epilog="Example: autotp probe --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--sysroot", type=click.Path(path_type=Path), metavar="DIR", help="Read a recorded /proc and /sys.")
def command(as_json: bool, sysroot: Path | None) -> None:
    """Show sockets, NUMA nodes, cores, ISA, and the envelope of this process, as a tree."""
    from autotp.topology import brand, probe, summary

    topology = probe(sysroot)
    facts = summary(topology, brand() if sysroot is None else None)
    if as_json:
        echo_json(facts)
        return
    from autotp.report import topology_tree

    show(topology_tree(topology, facts))
