"""Put the outcomes of `results/reference/` into the README, so that no figure in it is typed by hand.

    python -m tests.evidence.quote_outcomes

Between `<!-- NAME -->` and `<!-- end -->` the README holds what the function of that name makes of the outcomes.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "results" / "reference"
GENAI_FIGURES = ("first_token_latency_s", "second_token_latency_s", "tokens_per_s")
PRECISION_ALONE = "streams=2 threads=unset requests=2 precision=f32"


def outcome(path: str) -> Any:
    """Read a JSON outcome."""
    return json.loads((REFERENCE / path).read_text())


def transcript() -> str:
    """The recogniser's run."""
    return f"```text\n{(REFERENCE / 'rec' / 'transcript.txt').read_text()}```"


def tuned() -> str:
    """The recogniser's tuned.yaml."""
    return f"```yaml\n{(REFERENCE / 'rec' / 'tuned.yaml').read_text()}```"


def precision() -> str:
    """How much of the gain is precision alone: f32 with the hint's own streams and requests."""
    race, run = outcome("rec/race.json"), outcome("rec/run.json")
    (alone,) = (arm["over_throughput_hint"] for arm in race["grid"] if arm["name"] == PRECISION_ALONE)
    share = "none of the gain is precision" if alone <= 1 else "part of the gain is precision alone"
    return (
        f"The machine was a virtual one: {run['cores']} cores of an {run['cpu']}, OpenVINO {run['openvino']}. "
        f"Here {share}: with the hint's own streams and requests, f32 alone runs at {alone:.2f} times the hint. "
        "This CPU is quick at bf16, which OpenVINO chooses by itself; on CPUs that have AVX512_BF16 but are slow "
        "at it, f32 is where most of a gain comes from, so every space tries it."
    )


def judge() -> str:
    """What the judge says of each model."""
    rows = [
        "| model | tuned over the best hint | claimed | tuned over the best of the grid |",
        "| --- | --- | --- | --- |",
    ]
    for name, model in (("rec", "PP-OCRv4 recogniser"), ("cls", "PP-OCR classifier")):
        race = outcome(f"{name}/race.json")
        claimed = race["claimed_gain"]
        claim = f"{claimed['median']:.3f} ({claimed['low']:.3f} to {claimed['high']:.3f})"
        rows.append(
            f"| {model} | {_ratio(race['tuned_over_best_hint'])} | {claim} | {_ratio(race['tuned_over_best'])} |"
        )
    return "\n".join(rows)


def benchmark_app() -> str:
    """How `autotp measure` and benchmark_app agree."""
    rows = ["| workload | autotp measure | benchmark_app | ratio |", "| --- | --- | --- | --- |"]
    for result in outcome("benchmark_app.json")["results"]:
        ours, theirs = (_figure(result["metric"], result[tool]["median"]) for tool in ("autotp", "benchmark_app"))
        workload = f"{result['model']}: {result['workload']} ({result['benchmark_app_api']})"
        rows.append(f"| {workload} | {ours} | {theirs} | {result['median_ratio_of_pairs']:.3f} |")
    return "\n".join(rows)


def trust() -> str:
    """What was asked of the method, and what it did."""
    rows = ["| asked | found | by |", "| --- | --- | --- |"]
    rows += [f"| {asked} | {found} | `tests/{script}.py` |" for asked, found, script in _asked()]
    return "\n".join(rows)


def _asked() -> Iterator[tuple[str, str, str]]:
    yield from _asked_of_races()
    real, storms, faults = outcome("real_races.json"), outcome("storms.json"), outcome("faults.json")
    real_races, raced = len(real["races"]), 2 * storms["races"]
    ahead = storms["calm"]["gains"]["fast over middle"][0]
    yield (
        f"a win where a hint runs against itself, {real_races} real races with `--budget {real['budget']}`",
        f"{real['false_proofs']}; {real['intervals_that_hold_1']} of {real_races} intervals hold 1",
        "race_real",
    )
    yield (
        f"{raced} finals of three arms, {_percent(ahead)} apart, beside a CPU hog that comes and goes",
        f"{storms['right_wins']} right wins, {storms['ties']} ties, {storms['wrong_wins']} wrong wins",
        "measure_storms",
    )
    yield (
        "workers that crash, hang, flood or fill the memory, in each phase of one tuning",
        f"{sum(fault['right'] for fault in faults['faults'])} of {len(faults['faults'])} told rightly, "
        f"{len(faults['processes_left'])} processes left",
        "inject_faults",
    )
    checks = [found for part in outcome("outputs.json")["checks"].values() for found in part.values()]
    yield "wrong outputs can't win", f"{sum(checks)} of {len(checks)} checks hold", "check_outputs"
    yield (
        "share of a tuning that is compile, warm-up and measured blocks",
        f"{outcome('overhead.json')['share']:.1%}",
        "measure_overhead",
    )


def _asked_of_races() -> Iterator[tuple[str, str, str]]:
    races, script = outcome("races.json"), "simulate_races"
    equal = [found for found in races["scenarios"].values() if found["speed"] == 1]
    count = sum(found["races"] for found in equal)
    wins = sum(round(found["false_wins"] * found["races"]) for found in equal)
    worst = max(found["false_wins"] for found in equal)
    yield (
        f"a win where all configs are equal, {count:,} whole tunings simulated on recorded noise",
        f"{wins / count:.2%}, in the worst of {len(equal)} scenarios {worst:.2%}",
        script,
    )
    for found in races["scenarios"].values():
        if found["speed"] > 1:
            tunings = f"{found['races']:,} tunings of {found['budget_s']:g} s"
            gain = f"{_percent(found['speed'])} in {found['metric'].replace('latency_', 'latency, ')}"
            yield f"a true gain of {gain} found, {tunings}", f"{found['right_wins']:.1%}", script
    yield "the 95 % interval holds the truth", f"{races['coverage_of_throughput']:.1%}", script


def quota() -> str:
    """What tuning gains under a CPU quota."""
    found = outcome("quota.json")
    judged, config = found["judge"], ", ".join(f"{k}={v}" for k, v in found["shipped"]["config"].items())
    hint_s, tuned_s, ratio = judged["hint"]["p90_s"], judged["tuned"]["p90_s"], judged["hint_over_tuned_p90"]
    return (
        f"With a quota of {found['cpu_quota']:g} CPU on {found['cpus']} (`python -m tests.evidence.measure_quota`,"
        f" the recogniser on wide images) the LATENCY hint's p90 is {_ms(hint_s)} and that of what ships "
        f"({config}) {_ms(tuned_s)}: {ratio:.1f} times lower, judged by plain OpenVINO."
    )


def effective() -> str:
    """How predictions agree with OpenVINO, and how fast they are."""
    swept, merged = outcome("effective.json"), outcome("merging.json")
    counted, reported = swept["agreement"], swept["reported_agreement"]
    return (
        f"Of {swept['configs']} configs on {len(swept['machines'])} pretended machines {counted:.1%} came out as "
        f"predicted by the kernel's count of threads and {reported:.1%} by what OpenVINO reports, and "
        f"{len(swept['wrong_merges'])} pairs were merged wrongly (`python -m "
        f"tests.evidence.sweep_effective`);"
        f" on one of 8 sockets and 512 cores {merged['configs']:,} configs are merged into"
        f" {merged['effective_configs']:,} in {merged['seconds']:.1f} s "
        "(`python -m tests.evidence.measure_merging`)."
    )


def load_overhead() -> str:
    """What `load` adds to `compile_model`."""
    startup = outcome("startup.json")
    return (
        f"It adds {startup['load']['overhead_s'] * 1e3:.1f} ms to reading and compiling, with the file above "
        "(`tests/evidence/measure_startup.py`), and loads neither Optuna nor anything else of the tuner."
    )


def language_model() -> str:
    """SmolLM2 tuned by its second token, and what its first token says, and what is with paged attention."""
    second, first, paged = (
        (REFERENCE / f"smollm2_{name}" / "transcript.txt").read_text() for name in ("second", "first", "paged")
    )
    return (
        f"```text\n{second}```\n\nBy its first token:\n\n{_end_of(first)}\n\n"
        f"With paged attention, as OpenVINO GenAI has it by default:\n\n{_end_of(paged)}"
    )


def _end_of(transcript: str) -> str:
    command, *_ = transcript.splitlines()
    verdict = transcript[re.search(r"^(WIN|TIE|UNKNOWN): ", transcript, re.M).start() :]  # type: ignore[union-attr]
    return f"```text\n{command}\n…\n{verdict}```"


def genai() -> str:
    """How autotp and OpenVINO GenAI agree on SmolLM2."""
    outcomes = [outcome(f"genai_{name}.json") for name in ("second", "paged")]
    rows = [
        "`autotp measure` over `LLMPipeline`, the median of turns, of what was tuned above and the hint "
        "(`tests/evidence/compare_genai.py`):",
        "",
        "| backend | config | turns | first token | second token | tokens a second |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for found in outcomes:
        for name, ratios in found["autotp_over_genai"].items():
            config = found["config"] if name == "tuned" else {"performance_hint": "latency"}
            words = ", ".join(f"{knob}={value}" for knob, value in config.items())
            figures = " | ".join(f"{ratios[key]['median']:.3f}" for key in GENAI_FIGURES)
            turns = len(found["figures"][name]["genai"])
            rows.append(f"| {found['attention_backend']} | {name}: {words} | {turns} | {figures} |")
    rows += [
        "",
        "The tuned config over the hint, by GenAI's own metrics in the same turns, with its 95 % interval:",
        "",
        "| backend | first token | second token | tokens a second |",
        "| --- | --- | --- | --- |",
    ]
    for found in outcomes:
        gains = " | ".join(_ratio(found["tuned_over_hint_in_genai"][key]) for key in GENAI_FIGURES)
        rows.append(f"| {found['attention_backend']} | {gains} |")
    return "\n".join(rows)


def split() -> str:
    """SmolLM2 split in every way."""
    rows = [
        "| SmolLM2 split | layers | 64 tokens after three prompts | weights on disk | memory |",
        "| --- | --- | --- | --- | --- |",
    ]
    for way, found in outcome("split.json")["ways"].items():
        layers = found.get("layers_expected", "all, by OpenVINO")
        same = "the same" if found["same_tokens"] else "others"
        disk = f"{found['weights_growth']:+.2%}" if "weights_growth" in found else ""
        rows.append(f"| {way} | {layers} | {same} | {disk} | {found['resident_growth']:+.1%} |")
    rows += [
        "",
        "Memory is the whole process's after a prompt of one token. A split in the graph copies no weights: what "
        "grows is what OpenVINO keeps for each further node, a tenth of a megabyte, and small layers have many of "
        "those for each megabyte of weights.",
    ]
    return "\n".join(rows)


def two_sockets() -> str:
    """The walk-through, step by step."""
    steps = outcome("two_sockets.json")["steps"]
    shown = "\n".join(f"$ {step['command']}\n{step['output'].strip()}\n" for step in steps)
    return (
        f"```text\n{shown}```\n\nThis was a machine of two cores that was pretended to be two sockets of one core "
        "each (`tests/evidence/walk_two_sockets.py`): the sub-streams are real, the sockets aren't, so that the "
        "figures tell nothing of a server's."
    )


SECTIONS: tuple[Callable[[], str], ...] = (
    transcript,
    tuned,
    precision,
    judge,
    benchmark_app,
    trust,
    quota,
    effective,
    load_overhead,
    language_model,
    genai,
    split,
    two_sockets,
)


def with_outcomes(readme: str) -> str:
    """Return `readme` with each section as the outcomes have it."""
    for section in SECTIONS:
        name = section.__name__
        pattern = re.compile(rf"<!-- {name} -->\n.*?\n<!-- end -->", re.S)
        text = f"<!-- {name} -->\n{section()}\n<!-- end -->"
        readme, count = pattern.subn(lambda _, text=text: text, readme)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the README has {count} sections called {name}")
    return readme


def _ratio(value: dict[str, float]) -> str:
    return f"{value['ratio']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):.0f} %"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms"


def _figure(metric: str, value: float) -> str:
    if metric == "throughput_per_s":
        return f"{value:.1f}/s"
    return f"{value * 1e6:.1f} µs" if value < 1e-3 else f"{value * 1e3:.2f} ms"


def main() -> int:
    """Rewrite the README."""
    path = ROOT / "README.md"
    path.write_text(with_outcomes(path.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
