"""Printing for the commands: JSON, text that rich renders, and notices on stderr."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

_STDERR = 2
_LEAST_WIDTH = 120
_WIDEST = 1_000_000


def echo_json(value: Any) -> None:
    """Write `value` (a Struct, or dicts and lists; a path is text) as one line of JSON and flush it.

    What isn't UTF-8 in a name is spelled out.
    """
    import msgspec

    try:
        line = msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:
        line = msgspec.json.encode(_writable(msgspec.to_builtins(value, enc_hook=str)))
    click.echo(line)


def _writable(value: Any) -> Any:
    from autotp.files.text import writable_text

    if isinstance(value, dict):
        return {_writable(key): _writable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(part) for part in value]
    return writable_text(value) if isinstance(value, str) else value


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


@contextmanager
def without_library_logs() -> Iterator[None]:
    """Drop what libraries log to stderr from C++ within the `with` block; errors are still raised.

    OpenVINO tries one format after the other, and protobuf logs why a file isn't in each of them.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # the process was started without one
        yield
        return
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
