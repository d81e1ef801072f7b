"""Printing for the commands: JSON, text that rich renders, and notices on stderr."""

from typing import Any

import click

_LEAST_WIDTH = 120
_WIDEST = 1_000_000


def echo_json(value: Any) -> None:
    """Write `value` (a Struct, or dicts and lists; a path is text) as one line of JSON and flush it."""
    import msgspec

    click.echo(msgspec.json.encode(value, enc_hook=str))


def notice(sentence: str) -> None:
    """Print `sentence` on stderr, such as a warning or a reason for waiting."""
    click.echo(f"autotp: {sentence}", err=True)


def show(renderable: Any) -> None:
    """Print what rich can render; where the output isn't a terminal, long lines aren't cut."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)  # names are printed as they are
    if not console.is_terminal:
        console.width = _WIDEST
        console.width = max(_LEAST_WIDTH, console.measure(renderable).maximum)
    console.print(renderable, soft_wrap=True)
