"""The opening of the page about the outcomes: where they come from, and on which machines they were made."""

import json

from tests.evidence.outcomes import REFERENCE
from tests.evidence.pages.markdown import prose, table

FACTS = ("cpu", "cores", "openvino", "optuna", "python")


def opening() -> str:
    """What this folder holds and how it's made."""
    parts = (
        "# Outcomes",
        prose("""
            This page shows what autotp's commands and checks printed and found. It is generated from the files
            in this folder. A test fails if a figure here, or one that the README quotes, isn't the one in its
            file.
        """),
        "    python -m tests.evidence.make_reference        # run everything anew: about seven hours\n"
        "    python -m tests.evidence.quote_outcomes        # write this page, and what others quote",
        "Other machines give other figures. These come from virtual machines:",
        table(("CPU", "cores", "OpenVINO", "Optuna", "Python"), machines()),
        prose("""
            Each outcome holds the command, the exit code and these facts, under `run` or in a `run.json` beside
            it. How autotp measures is explained in [autotp/measuring](../../autotp/measuring/README.md), and what
            tuned.yaml holds in [autotp/deploy](../../autotp/deploy/README.md).
        """),
    )
    return "\n\n".join(parts)


def machines() -> list[tuple[str, ...]]:
    """The machines and versions that the outcomes were made with, each once."""
    paths = [*REFERENCE.glob("*.json"), *REFERENCE.glob("*/run.json")]
    outcomes = [json.loads(path.read_text()) for path in paths]
    return sorted({tuple(str(found.get("run", found)[fact]) for fact in FACTS) for found in outcomes})
