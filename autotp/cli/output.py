"""How the commands write: one JSON object, or text."""

from typing import Any

import click


def echo_json(value: Any) -> None:
    """Write `value` (a Struct, or dicts and lists) as one line of JSON and flush it."""
    import msgspec

    click.echo(msgspec.json.encode(value))


def show(renderable: Any) -> None:
    """Print what rich can render; lines aren't cut where the output isn't a terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    console.print(renderable, soft_wrap=True)
