"""What a script found, as JSON: printed, and kept where that is asked for."""

import json
from pathlib import Path
from typing import Any


def keep(found: dict[str, Any], path: Path | None) -> None:
    """Print `found`, and write it to `path`."""
    text = json.dumps(found, indent=2)
    print(text)
    if path:
        path.write_text(text + "\n")
