"""What a script found, as JSON: printed and kept, and read again by the pages that quote it."""

import json
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def keep(found: dict[str, Any], path: Path | None) -> None:
    """Print `found`, and write it to `path`."""
    text = json.dumps(found, indent=2)
    print(text)
    if path:
        path.write_text(text + "\n")


def read_outcome(name: str) -> Any:
    """Return the committed outcome `name`, for example `rec/race.json`."""
    return json.loads(read_text(name))


def read_text(name: str) -> str:
    """Return a committed file as it is, for example `rec/transcript.txt`."""
    return (REFERENCE / name).read_text()
