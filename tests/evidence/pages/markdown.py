"""How figures and tables are written in Markdown, the same on all pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OMITTED = "…"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; cells are written with `str`."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def section(heading: str, *parts: str) -> str:
    """Return a section: its heading, then prose, tables and blocks."""
    return "\n\n".join((f"## {heading}", *parts))


def prose(text: str) -> str:
    """Return one paragraph on one line, however it is broken in the code."""
    return " ".join(text.split())


def fenced(text: str, language: str = "text") -> str:
    """Return `text` as a fenced block."""
    return f"```{language}\n{text.rstrip()}\n```"


def spell_knobs(config: Mapping[str, Any]) -> str:
    """Return knobs as transcripts spell them: `num_streams=2, nireq=4`."""
    return ", ".join(f"{knob}={value}" for knob, value in config.items())


def spell_ratio(value: Mapping[str, float], point: str = "ratio") -> str:
    """Return a ratio with its interval: `1.057 (1.043 to 1.072)`."""
    return f"{value[point]:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def spell_share(share: float, digits: int = 1) -> str:
    """Return a share as percent: `95.5 %`."""
    return f"{100 * share:.{digits}f} %"


def spell_gain(ratio: float) -> str:
    """Return by how many percent a ratio is above 1: `5 %`."""
    return f"{100 * (ratio - 1):.0f} %"


def spell_seconds(seconds: float) -> str:
    """Return a latency in microseconds or milliseconds."""
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
