"""`autotp dashboard`: a study in Optuna's web dashboard."""

import click


@click.command("dashboard", epilog="Example: autotp dashboard results/demo")
@click.argument("source", metavar="[DIR|URL]", default="results")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
def command(source: str, port: int) -> None:
    """Show a study in Optuna's web dashboard, on 127.0.0.1.

    DIR is the folder of a study, or one that holds such folders (the newest study is shown); URL is an Optuna
    storage. The default is the folder results.
    """
    from autotp.report.dashboard import find_storage, serve_dashboard
    from autotp.tuning.study.storage_url import public_url

    place = find_storage(source)
    click.echo(f"Dashboard of {public_url(place)}: http://127.0.0.1:{port}/ (Ctrl-C stops it)")
    serve_dashboard(place, port)
