"""Sections about tunings: what they print and write."""

import re

from tests.evidence.outcomes import read_outcome, read_text
from tests.evidence.pages.markdown import OMITTED, fenced, prose, section, spell_knobs

PRECISION_ALONE = "streams=2 threads=unset requests=2 precision=f32"


def win() -> str:
    """Ten lines of the recogniser's run, for the README: what led to the winner, and the verdict."""
    lines = read_text("rec/transcript.txt").splitlines()
    verdict = next(number for number, line in enumerate(lines) if _is_verdict(line))
    winner = re.escape(_first(lines, r"final  ").split("]  ")[1].partition(" (")[0])
    wanted = (
        r"\$ ",
        "study",
        "baseline",
        "noise",
        rf"trial .*\]  {winner}$",
        "finals",
        rf"final  .*\]  {winner} ",
    )
    kept = {lines.index(_first(lines, pattern)) for pattern in wanted} | {*range(verdict, verdict + 3)}
    shown = []
    for number, line in enumerate(lines):
        if number in kept:
            shown.append(line)
        elif shown[-1] != OMITTED:
            shown.append(OMITTED)
    return fenced("\n".join(shown))


def recogniser() -> str:
    """The recogniser's run, its file, and how much of its gain is precision."""
    return section(
        "A text recogniser: a win",
        "The text recogniser of PP-OCRv4, tuned for throughput in two minutes:",
        fenced(read_text("rec/transcript.txt")),
        _precision(),
        "This is the file that it wrote; [the format](../../autotp/deploy/README.md) explains each key:",
        fenced(read_text("rec/tuned.yaml"), "yaml"),
    )


def others() -> str:
    """How the demo and the classifier ended."""
    return section(
        "A classifier and the demo",
        "The text-direction classifier of PP-OCR, which answers in a third of a millisecond:",
        ending("cls"),
        "`autotp demo`:",
        ending("demo"),
    )


def quota() -> str:
    """What tuning gains under a CPU quota."""
    found = read_outcome("quota.json")
    judged = found["judge"]
    hint, ships = (f"{judged[key]['p90_s'] * 1e3:.0f} ms" for key in ("hint", "tuned"))
    about = prose(f"""
        With a quota of {found["cpu_quota"]:g} CPU on {found["cpus"]}, the recogniser was tuned for
        `latency_p90` on wide images (`tests/evidence/measure_quota.py`). Plain OpenVINO then ran both: the p90
        latency of the LATENCY hint is {hint}, and that of what ships
        ({spell_knobs(found["shipped"]["config"])}) is {ships}, {judged["hint_over_tuned_p90"]:.1f} times lower.
    """)
    return section("Under a CPU quota", about)


def ending(name: str) -> str:
    """Return the command and the verdict of a transcript."""
    lines = read_text(f"{name}/transcript.txt").splitlines()
    verdict = next(number for number, line in enumerate(lines) if _is_verdict(line))
    return fenced("\n".join([lines[0], OMITTED, *lines[verdict:]]))


def _precision() -> str:
    """How much of the gain is precision alone: f32 with the hint's own streams and requests."""
    race, run = read_outcome("rec/race.json"), read_outcome("rec/run.json")
    (alone,) = (arm["over_throughput_hint"] for arm in race["grid"] if arm["name"] == PRECISION_ALONE)
    share = "None of this gain comes" if alone <= 1 else "Part of this gain comes"
    return prose(f"""
        The machine was a virtual one with {run["cores"]} cores of an {run["cpu"]} and OpenVINO
        {run["openvino"]}. {share} from precision: with the streams and requests of the hint, f32 alone runs at
        {alone:.2f} times the hint. This CPU computes bf16 fast, and OpenVINO chooses bf16 there by itself. On
        CPUs that support bf16 but compute it slowly, f32 brings most of a gain, so every space that comes with
        autotp tries f32.
    """)


def _is_verdict(line: str) -> bool:
    return line.startswith(("WIN: ", "TIE: ", "UNKNOWN: "))


def _first(lines: list[str], pattern: str) -> str:
    return next(line for line in lines if re.match(pattern, line))
