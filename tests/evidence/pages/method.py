"""Sections about the method: whether it is right where the right answer is known, and what it costs."""

from collections.abc import Iterator
from typing import Any

from tests.evidence.outcomes import read_outcome
from tests.evidence.pages.markdown import (
    prose,
    section,
    spell_gain,
    spell_ratio,
    spell_seconds,
    spell_share,
    table,
)

TOOLS = ("workload", "autotp measure", "benchmark_app", "ratio")
JUDGED = {"rec": "PP-OCRv4 recogniser", "cls": "PP-OCR classifier"}

Row = tuple[str, str, str]


def trust() -> str:
    """The README's four figures."""
    races, power = read_outcome("races.json"), _power()
    ratios = [result["median_ratio_of_pairs"] for result in read_outcome("benchmark_app.json")["results"]]
    rows = (
        ("False wins: a gain is claimed though all settings are equally fast", f"in {_false_wins()}"),
        (
            "Coverage: the reported 95 % interval holds the true gain",
            f"in {spell_share(races['coverage_of_throughput'])} of cases",
        ),
        (
            "Power: a true gain in throughput is found and proven",
            ", ".join(f"in {found} of tunings where it is {gain}" for gain, found in power.items()),
        ),
        (
            f"Agreement: autotp's clock compared with that of OpenVINO's benchmark_app on {len(ratios)} workloads",
            f"between {min(ratios):.3f} and {max(ratios):.3f} times",
        ),
    )
    return table(("what", "found"), rows)


def asked_of_the_method() -> str:
    """Return a table of what the method must do, what it did, and the script that checks it."""
    about = prose("""
        Each row but the last asks for something whose right answer is known. The simulated tunings are whole
        ones, search and finals, on rounds that were recorded from real models. So the noise is that of a real
        machine, with its drift and its outliers, while the simulation sets the true speeds.
    """)
    rows = (*_simulated(), *_real())
    return section("Is the method right?", about, table(("what was tried", "what came out", "script"), rows))


def judge() -> str:
    """What a judge that shares no code with autotp says."""
    rows = []
    for name, model in JUDGED.items():
        race = read_outcome(f"{name}/race.json")
        over_hint, over_best = (spell_ratio(race[key]) for key in ("tuned_over_best_hint", "tuned_over_best"))
        rows.append((model, over_hint, spell_ratio(race["claimed_gain"], "median"), over_best))
    about = prose(f"""
        `tests/evidence/race_grid.py` shares no code with autotp: it uses plain OpenVINO and a clock of its own.
        It races {len(read_outcome("rec/race.json")["grid"])} combinations of streams, threads, requests and
        precision, then runs the best of them, the hints and what autotp shipped in fresh processes. Ratios of
        throughput with 95 % intervals:
    """)
    header = ("model", "shipped over the best hint", "as autotp claimed", "shipped over the best of the grid")
    return section("An independent judge", about, table(header, rows))


def benchmark_app() -> str:
    """How `autotp measure` and benchmark_app agree."""
    found = read_outcome("benchmark_app.json")
    clocks = [(*_side_by_side(row), f"{row['median_ratio_of_pairs']:.3f}") for row in found["results"]]
    tools = [(*_side_by_side(row), _ratio(row["ratio_of_pairs"])) for row in found["tools"]]
    about = prose("""
        autotp's clock and the loop of OpenVINO's own benchmark_app time the same requests of one compiled model in
        one process, in turn, in short blocks (`tests/evidence/compare_benchmark_app.py`). The ratio is the median
        over pairs of blocks, so it isn't exactly the ratio of the two medians beside it.
    """)
    runs = len(found["tools"][0]["autotp"]["values"])
    whole = prose(f"""
        Whole commands, {runs} of each in turn, twelve seconds each. The ratio is the mean over pairs, with
        its 95 % interval:
    """)
    return section("Agreement with benchmark_app", about, table(TOOLS, clocks), whole, table(TOOLS, tools))


def effective() -> str:
    """How predictions agree with OpenVINO, and how fast they are."""
    swept, merged = read_outcome("effective.json"), read_outcome("merging.json")
    about = prose(f"""
        autotp predicts what OpenVINO will make of a config (streams, threads, sub-streams, pinning), so that
        configs which OpenVINO treats alike are measured once. The real OpenVINO compiled {swept["configs"]}
        configs on {len(swept["machines"])} pretended machines (`tests/evidence/sweep_effective.py`). The
        prediction agrees with the threads that the kernel counts in {spell_share(swept["agreement"])} of them,
        and with what OpenVINO reports in {spell_share(swept["reported_agreement"])}.
        {len(swept["wrong_merges"])} pairs were wrongly taken for the same.
    """)
    speed = prose(f"""
        For a machine of 8 sockets and 512 cores, a space of {merged["configs"]:,} configs is merged into
        {merged["effective_configs"]:,} in {merged["seconds"]:.1f} s (`tests/evidence/measure_merging.py`).
    """)
    return section("Predicted effective configs", about, speed)


def command_times() -> str:
    """How long commands that only read files take."""
    found = read_outcome("commands.json")
    about = prose(f"""
        Commands that measure nothing answer at once. This is their median time in {found["runs"]} runs; a bare
        interpreter took {found["bare_s"] * 1e3:.0f} ms. A unit is what `import numpy` takes longer than that,
        {found["unit_s"] * 1e3:.0f} ms here. At most {found["limit_units"]:g} units are allowed
        (`tests/evidence/measure_commands.py`).
    """)
    rows = [
        (f"`{name}`", f"{took['median_s'] * 1e3:.0f} ms", f"{took['units']:.1f}")
        for name, took in found["commands"].items()
    ]
    return section("How long commands take", about, table(("command", "time", "units over the interpreter"), rows))


def load_overhead() -> str:
    """What `load` adds to `compile_model`."""
    overhead_ms = read_outcome("startup.json")["load"]["overhead_s"] * 1e3
    return (
        f"All of this adds {overhead_ms:.1f} ms to reading and compiling the text recogniser "
        "(`tests/evidence/measure_startup.py`). A process that loads a model imports none of the tuner."
    )


def _false_wins() -> str:
    equal = _equal()
    return (
        f"{spell_share(_share_of_wins(equal), 2)} of {sum(found['races'] for found in equal):,} simulated tunings"
    )


def _power() -> dict[str, str]:
    """Return by true gain in throughput how often it is found."""
    faster = [found for found in _faster() if found["metric"] == "throughput"]
    return {spell_gain(found["speed"]): spell_share(found["right_wins"]) for found in faster}


def _simulated() -> Iterator[Row]:
    equal, script = _equal(), _script("simulate_races")
    worst = max(found["false_wins"] for found in equal)
    yield (
        f"{sum(found['races'] for found in equal):,} simulated tunings in which all configs are equally fast",
        f"a win in {spell_share(_share_of_wins(equal), 2)}; in the worst of {len(equal)} scenarios "
        f"in {spell_share(worst, 2)}",
        script,
    )
    for found in _faster():
        tunings = f"{found['races']:,} simulated tunings of {found['budget_s']:g} s"
        gain = f"a true gain of {spell_gain(found['speed'])} in {found['metric']}"
        yield f"{tunings} with {gain}", f"it wins in {spell_share(found['right_wins'])}", script
    coverage = spell_share(read_outcome("races.json")["coverage_of_throughput"])
    yield "the 95 % intervals of throughput in all of these", f"{coverage} hold the true gain", script


def _real() -> Iterator[Row]:
    yield _of_equals()
    yield _of_storms()
    faults, checks = read_outcome("faults.json"), read_outcome("outputs.json")["checks"]
    yield (
        "workers that crash, hang, flood their output or fill the memory, in each phase of one tuning",
        f"{sum(fault['right'] for fault in faults['faults'])} of {len(faults['faults'])} are recorded with the "
        f"right status, phase and message; {len(faults['processes_left'])} processes are left over",
        _script("inject_faults"),
    )
    holding = [held for part in checks.values() for held in part.values()]
    yield (
        "configs whose outputs are wrong",
        f"none wins: {sum(holding)} of {len(holding)} checks hold",
        _script("check_outputs"),
    )
    share = spell_share(read_outcome("overhead.json")["share"])
    yield (
        "where the time of a tuning goes",
        f"{share} to compiling, warming up and measuring",
        _script("measure_overhead"),
    )


def judged_later() -> str:
    """Return how later judgements of two tunings lie to what these claimed."""
    outcome = read_outcome("search/judge_later.json")
    rows = [
        (
            JUDGED[name],
            spell_ratio(found["gain"], "median"),
            outcome["summary"][name]["judgements"],
            f"{outcome['summary'][name]['hours']:.1f}",
            spell_share(outcome["summary"][name]["outside"]),
            spell_share(outcome["summary"][name]["between_times"]),
        )
        for name, found in outcome["models"].items()
    ]
    return section(
        "Whether a claimed interval holds later",
        prose("""
            What two tunings of two minutes shipped is judged again by `autotp compare` in fresh processes, hours
            later (`tests/evidence/judge_later.py`). A judgement lies outside if its interval and the claimed one
            don't meet; what changes from time to time is the standard deviation between judgements beyond their
            own errors.
        """),
        table(("model", "claimed", "judgements", "hours", "outside", "from time to time"), rows),
    )


def knob_effects() -> str:
    """Return which settings have an effect that no property reports."""
    outcome = read_outcome("knobs.json")
    rows = []
    for found in outcome["settings"]:
        ((name, value),) = found["properties"].items()
        changes = found["changes_logits"]
        effects = [
            "refused" if changes.get(kind) is None else "other outputs" if changes[kind] else "nothing"
            for kind in ("SDPA", "PA")
        ]
        rows.append((f"`{name}={value}`", *effects))
    return section(
        "Settings of which OpenVINO reports nothing",
        prose("""
            What each does to the outputs of a small language model, as state (SDPA) and with paged attention (PA)
            (`tests/evidence/knob_effects.py`). What does nothing anywhere isn't a knob of autotp.
        """),
        table(("property", "SDPA", "PA"), rows),
    )


def _of_equals() -> Row:
    real = read_outcome("real_races.json")
    count = len(real["races"])
    return (
        f"{count} real comparisons of a hint with itself, `--budget {real['budget']}` each",
        f"{real['false_proofs']} claim a difference; {real['intervals_that_hold_1']} of {count} intervals hold 1",
        _script("race_real"),
    )


def _of_storms() -> Row:
    storms = read_outcome("storms.json")
    ahead = spell_gain(storms["calm"]["gains"]["fast over middle"][0])
    return (
        f"{2 * storms['races']} verdicts on models {ahead} apart, while another process takes a core now and then",
        f"{storms['right_wins']} right wins, {storms['ties']} ties, {storms['wrong_wins']} wrong wins",
        _script("measure_storms"),
    )


def _equal() -> list[dict[str, Any]]:
    return [found for found in read_outcome("races.json")["scenarios"].values() if found["speed"] == 1]


def _faster() -> list[dict[str, Any]]:
    return [found for found in read_outcome("races.json")["scenarios"].values() if found["speed"] > 1]


def _share_of_wins(scenarios: list[dict[str, Any]]) -> float:
    wins: int = sum(round(found["false_wins"] * found["races"]) for found in scenarios)
    return wins / sum(int(found["races"]) for found in scenarios)


def _script(name: str) -> str:
    return f"`tests/evidence/{name}.py`"


def _side_by_side(result: dict[str, Any]) -> tuple[str, str, str]:
    """Return a workload, and what both tools say of it."""
    ours, theirs = (_figure(result["metric"], result[tool]["median"]) for tool in ("autotp", "benchmark_app"))
    return f"{result['model']}: {result['workload']} ({result['benchmark_app_api']})", ours, theirs


def _ratio(found: dict[str, float]) -> str:
    return f"{found['ratio']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _figure(metric: str, value: float) -> str:
    return f"{value:.1f}/s" if metric == "throughput_per_s" else spell_seconds(value)
