"""The sections about the search: what it finds in tables of all that could be measured, and what it costs."""

from typing import Any

from autotp.report.units import spell_seconds
from tests.evidence.outcomes import REFERENCE, read_outcome
from tests.evidence.pages.markdown import prose, section, spell_share, table
from tests.evidence.replay_public import EARLY, LATER, SLOW

CALLED = {"ours": "autotp", "tpe": "TPE", "gp": "Optuna's GP", "smac": "SMAC", "random": "random"}


def public_tables() -> str:
    """Return a table of what each search found after 20 and 50 evaluations, and what is asked and not reached."""
    outcome = read_outcome("search/public_tables.json")
    tables, missed = outcome["tables"], outcome["missed"]
    names = list(next(iter(tables.values()))["found"])
    slow = " and ".join(CALLED[name] for name in SLOW if name in names)
    fewer = f" ({outcome['slow_seeds']} of {slow})" if slow else ""
    about = prose(f"""
        Public tables of exhaustive measurements of other software, replayed without noise: the way gone from the
        table's median to its best, in the median of {outcome["seeds"]} seeds{fewer}, and in brackets the 10th
        percentile.
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


def recorded_tables() -> str:
    """Return a table of the recorded tables."""
    about = prose("""
        Every config of a space on real models, made by `autotp tune --exhaustive`: each in several processes, with
        the baseline's block of the same round beside each block. The folder `tables` holds the results in T4
        (`MODEL.t4.json`) and the space in T1 (`MODEL.t1.json`), the formats of Kernel Tuner's tuning schema. The
        best is chosen in odd rounds, and all are scored in even ones. The noise is the standard error of a score.
    """)
    header = (
        *("model", "objective", "one takes", "configs", "but for nireq", "processes each", "best"),
        *("within 1 % of it", "noise", "exhaustive proof"),
    )
    return section("Recorded tables of real models", about, table(header, map(_recorded, _tables())))


def _tables() -> list[dict[str, Any]]:
    paths = sorted((REFERENCE / "tables").glob("*.json"))
    return [read_outcome(f"tables/{path.name}") for path in paths if path.name.count(".") == 1]


def _recorded(found: dict[str, Any]) -> tuple[object, ...]:
    fewest, most = found["processes"]
    return (
        found["model"],
        found["objective"],
        spell_seconds(found["inference_s"]),
        found["configs"],
        found["configs_beside_nireq"],
        fewest if fewest == most else f"{fewest} to {most}",
        f"{found['gain_of_the_best']:.3f}×",
        spell_share(found["share_within_1_percent"]),
        spell_share(found["noise"], 2),
        spell_seconds(found["exhaustive_cost_s"]),
    )


def proposing() -> str:
    """Return what proposing costs as a study grows."""
    outcome = read_outcome("search/proposing.json")
    about = prose(f"""
        How long a proposal takes, with all of its writing to SQLite, as the study grows, in a space of
        {outcome["effective_configs"]:,} effective configs.
    """)
    rows = (
        (part["trials"], *(spell_seconds(part[key]) for key in ("mean_s", "p95_s", "longest_s")))
        for part in outcome["growth"]
    )
    return section("What proposing costs", about, table(("trials", "mean", "95th percentile", "longest"), rows))


def landscape() -> str:
    """Return how the search scales."""
    outcome = read_outcome("search/landscape.json")
    about = prose(f"""
        A generated landscape of {outcome["sockets"]} sockets and {outcome["cores"]} cores: an analytic model
        (`tests/evidence/search_landscape.py` says which), so nothing here is a gain of OpenVINO's. How many
        measurements, with 1 % of noise, find a config within 2 % of the best, and how long a choice takes, over
        {outcome["seeds"]} seeds.
    """)
    rows = (
        (
            f"{size['configs']:,}",
            spell_share(size["share_within_2_percent"], 3),
            f"{size['measurements']['median']:.0f}",
            f"{size['measurements']['p90']:.0f}",
            f"{size['found']} of {outcome['seeds']}",
            spell_seconds(size["choice_s"]),
        )
        for size in outcome["sizes"]
    )
    header = ("configs", "within 2 %", "measurements, median", "9 in 10", "found", "a choice")
    return section("How the search scales", about, table(header, rows))


def _spelled(figures: dict[str, float]) -> str:
    return f"{figures['median']:.3f} ({figures['p10']:.3f})"
