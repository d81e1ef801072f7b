"""The section about faults that people in this field have met."""

from collections import Counter

from tests.evidence.count_demo_wins import PLACES
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


def demo_wins() -> str:
    """Return a table of how often the demo won, in each place."""
    about = prose("""
        `autotp demo`, whose model was chosen because there is a gain to be had on it, in each place where it can
        be tried: how often it ended in a WIN, and the least and the largest gain.
    """)
    rows = []
    for place in PLACES:
        found = read_outcome(f"demo_wins_{place}.json")
        gains = [run["gain"]["median"] for run in found["each"]]
        rows.append(
            (
                place.replace("_", " "),
                f"{found['wins']} of {found['runs']}",
                f"{min(gains):.2f} to {max(gains):.2f}",
            )
        )
    return section("How often the demo wins", about, table(("where", "WINs", "gains"), rows))


def _cell(text: str) -> str:
    """Return `text` for a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
