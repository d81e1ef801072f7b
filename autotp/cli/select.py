"""`autotp select`: another point of a tuned.yaml's Pareto front, without measuring."""

from pathlib import Path

import click


@click.command("select", epilog="Example: autotp select results/rec/tuned.yaml --prefer latency_p99")
@click.argument("tuned", type=click.Path(path_type=Path))
@click.option("--prefer", required=True, metavar="OBJECTIVE", help="One of its objectives, or `knee`.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there.  [default: TUNED itself]"
)
def command(tuned: Path, prefer: str, out: Path | None) -> None:
    """Choose again from the file TUNED, a tuned.yaml for several objectives, without measuring.

    The objective that is preferred then comes first. The front stays in the file, so that another can be chosen.
    """
    from autotp.deploy.headline import headline
    from autotp.deploy.select import moved, select
    from autotp.deploy.tuned import read_tuned, write_tuned
    from autotp.errors import InputError

    content = read_tuned(tuned)
    try:
        content = select(content, prefer)
    except InputError as error:
        raise InputError(f"{tuned}: {error}") from error
    comment = headline(content)
    write_tuned(out or tuned, moved(content, tuned, out or tuned), comment)
    click.echo(comment)
