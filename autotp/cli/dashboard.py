"""`autotp dashboard`: Optuna's dashboard on a study."""

import click


@click.command("dashboard", epilog="Example: autotp dashboard results/demo")
@click.argument("source", metavar="[DIR|URL]", default="results")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def command(source: str, port: int) -> None:
    """Serve the study in DIR (or the newest below it), or in the storage at URL, on 127.0.0.1."""
    from autotp.report.dashboard import find_storage, serve_dashboard
    from autotp.tuning.study.storage_url import public_url

    url = find_storage(source)
    click.echo(f"Dashboard of {public_url(url)}: http://127.0.0.1:{port}/ (Ctrl-C stops it)")
    serve_dashboard(url, port)
