"""The section about the search: what it finds in tables of everything that could have been measured."""

from tests.evidence.outcomes import read_outcome
from tests.evidence.pages.markdown import prose, section, table
from tests.evidence.replay_public import EARLY, LATER

CALLED = {"ours": "autotp", "tpe": "TPE", "gp": "Optuna's GP", "random": "random"}


def public_tables() -> str:
    """Return a table of what each search found after 20 and 50 evaluations, and what is asked and not reached."""
    outcome = read_outcome("search/public_tables.json")
    tables, missed = outcome["tables"], outcome["missed"]
    names = list(next(iter(tables.values()))["found"])
    about = prose(f"""
        Public tables of exhaustive measurements of other software, replayed without noise: the way gone from the
        table's median to its best, in the median of {outcome["seeds"]} seeds, and in brackets the 10th percentile.
        TPE is Optuna's, multivariate and with a constant liar; a row that it suggests again is replaced by the
        nearest that is left.
    """)
    header = ("table", "rows", "after", *(CALLED[name] for name in names))
    rows = [
        (label, one["rows"], count, *(_spelled(one["found"][name][str(count)]) for name in names))
        for label, one in tables.items()
        for count in (EARLY, LATER)
    ]
    asked = "Everything that was asked of it was reached." if not missed else f"Not reached: {'; '.join(missed)}."
    return section("What the search finds in public tables", about, table(header, rows), asked)


def _spelled(figures: dict[str, float]) -> str:
    return f"{figures['median']:.3f} ({figures['p10']:.3f})"
