"""What our proposer and its rivals find in a table of everything that could have been measured, without noise.

    python -m tests.evidence.replay_table FILE.csv --objective 'Throughput+' [--evaluations 20,50,100]
                                                   [--seeds 100] [--searches ours,tpe,random] [--jobs 2] [--json]

The columns of FILE are parameters but the last ones, whose names end in + (more is better) or - (less is better).
For each search and number of evaluations it reports the median and the 10th percentile over seeds of two figures:
the way gone from the table's median to its best, and under `ratio` the value as a ratio to the best.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autotp.errors import InputError
from tests.evidence.replays.replay import Found, replay
from tests.evidence.replays.searches import available

CPUS = len(os.sched_getaffinity(0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay the searches, print what they found, and return the exit code."""
    chosen = _parsed(arguments)
    names = chosen.searches or list(available())
    try:
        found = replay(chosen.file, chosen.objective, names, chosen.evaluations, chosen.seeds, chosen.jobs)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(found) if chosen.json else _as_text(found))
    return 0


def _as_text(found: Found) -> str:
    lines = [f"{'search':10}{'after':>8}{'median':>10}{'p10':>10}{'ratio':>10}{'p10':>10}"]
    for name, counts in found.items():
        for count, figures in counts.items():
            row = (figures["median"], figures["p10"], figures["ratio"]["median"], figures["ratio"]["p10"])
            lines.append(f"{name:10}{count:>8}" + "".join(f"{value:10.4f}" for value in row))
    return "\n".join(lines)


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} isn't at least 1")
    return count


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    known = list(available())
    names = text.split(",")
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"there is no search {unknown[0]!r} here; there are {', '.join(known)}")
    return names


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Replay searches on a table of exhaustive measurements.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--objective", required=True, help="a column, such as 'Throughput+'")
    parser.add_argument("--evaluations", type=_counts, default=[20, 50, 100], help="numbers (20,50,100)")
    parser.add_argument("--seeds", type=_count, default=100, help="how many (100)")
    parser.add_argument("--searches", type=_names, help="names (all that are installed)")
    parser.add_argument("--jobs", type=_count, default=CPUS, help="processes side by side (one for each CPU)")
    parser.add_argument("--json", action="store_true", help="print one object")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
