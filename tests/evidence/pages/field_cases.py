"""The section about faults that people in this field have met."""

from collections import Counter

from tests.evidence.outcomes import read_outcome
from tests.evidence.pages.markdown import prose, section, table


def field_cases() -> str:
    """Return a table of the cases: before, after, and the test that holds what is right."""
    cases = read_outcome("field_cases.json")["cases"]
    right = Counter(case["right"] for case in cases)[True]
    about = prose(f"""
        Each case was rebuilt from public reports and tried on an earlier autotp (before). Then its cause was
        mended, and `python -m tests.evidence.field_cases` replayed it on the command line in a fresh folder
        (after): {right} of {len(cases)} cases ended as they should.
    """)
    rows = [
        (case["case"], case["title"], _cell(case["before"]), _cell(case["after"]), f"`{case['test']}`")
        for case in cases
    ]
    return section("Faults that people have met", about, table(("", "case", "before", "after", "test"), rows))


def _cell(text: str) -> str:
    """Return `text` for a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
