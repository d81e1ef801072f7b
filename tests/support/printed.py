"""What rich prints."""

import io

from rich.console import Console, RenderableType


def printed(renderable: RenderableType) -> str:
    """What rich prints of `renderable`, without colour, as wide as needed."""
    output = io.StringIO()
    Console(file=output, width=200, highlight=False).print(renderable, soft_wrap=True)
    return output.getvalue()


def missing(words: list[str], text: str) -> list[str]:
    """Those of `words` that aren't in `text`."""
    return [word for word in words if word not in text]
