"""A separate judge of a tuned configuration: an exhaustive grid, raced with plain OpenVINO only.

A tuner that is checked with its own clock proves little. This script shares no code with it, holds one
process per configuration, and alternates 40 ms blocks in random order while all other arms are idle.

Phase 1 races the whole grid of streams x threads x requests x precision and both hints in groups; each group
holds a THROUGHPUT-hint arm of its own, and arms of different groups compare by their log-ratio to it in the
same round. Phase 2 re-measures the best few, the hints and the tuned configuration in fresh processes,
interleaved. Its figures are log-ratios of process medians with a t-interval over processes: what differs
between processes (memory layout, placement) is part of the error, which rounds within one would hide.

    python tests/evidence/race_grid.py rec.onnx --shape 'x=[1,3,48,320]' --tuned results/rec/tuned.yaml \\
        --out results/reference/race_rec.json

Exit 0: tuned is within 3 % of the best, and its interval over the best hint overlaps the claimed one.
Exit 1: one of them isn't so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from scipy import stats

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.evidence.race_arms import (
    HINTS,
    REFERENCE,
    Arm,
    Rates,
    Rules,
    Wave,
    WorkerError,
    grid,
    parse_shapes,
    race,
    tuned_arm,
)

MARGIN = 0.03


def log_ratio_to_reference(wave: Wave, name: str) -> float:
    """Median over rounds of an arm's log-ratio to the THROUGHPUT hint of the same round."""
    return float(np.median(np.log(wave.rates_per_s[name] / wave.rates_per_s[REFERENCE.name])))


def race_groups(arms: Sequence[Arm], rules: Rules, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Phase 1: the table of all arms, the fastest first, failed ones last."""
    order = random.Random(chosen.seed)
    shuffled = order.sample(arms, len(arms))
    rows = [{"name": REFERENCE.name, "over_throughput_hint": 1.0}]
    for start in range(0, len(shuffled), chosen.group):
        group = shuffled[start : start + chosen.group]
        wave = race([REFERENCE, *group], rules, chosen.grid_rounds, order)
        rows += [_grid_row(wave, arm) for arm in group]
        _progress(f"grid: {min(start + chosen.group, len(arms))} of {len(arms)} arms")
    return sorted(rows, key=lambda row: -row.get("over_throughput_hint", 0.0))


def _grid_row(wave: Wave, arm: Arm) -> dict[str, Any]:
    if arm.name in wave.failures:
        return {"name": arm.name, "failed": wave.failures[arm.name].splitlines()[-1]}
    ratio = np.exp(log_ratio_to_reference(wave, arm.name))
    rate = np.median(wave.rates_per_s[arm.name])
    return {"name": arm.name, "over_throughput_hint": _short(ratio), "throughput_per_s": _short(rate)}


def race_finals(arms: Sequence[Arm], rules: Rules, chosen: argparse.Namespace) -> list[Wave]:
    """Phase 2: the same arms in fresh processes, several times."""
    order = random.Random(chosen.seed + 1)
    waves = []
    for done in range(chosen.processes):
        waves.append(race(arms, rules, chosen.rounds, order))
        _progress(f"finals: {done + 1} of {chosen.processes} processes")
        if waves[-1].failures:
            raise WorkerError(f"A finalist failed: {waves[-1].failures}")
    return waves


def process_medians_per_s(waves: Sequence[Wave], name: str) -> Rates:
    """One median over rounds per process."""
    return np.array([np.median(wave.rates_per_s[name]) for wave in waves])


def ratio_interval(values: Rates, others: Rates) -> dict[str, float]:
    """Geometric mean of pairwise ratios with its 95 % t-interval, on logarithms."""
    logs = np.log(values / others)
    reach = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, ratio, high = np.exp([logs.mean() - reach, logs.mean(), logs.mean() + reach])
    return {"ratio": _short(ratio), "low": _short(low), "high": _short(high)}


def interval(waves: Sequence[Wave], name: str, other: str) -> dict[str, float]:
    """Ratio of two arms' process medians with its interval over processes."""
    return ratio_interval(process_medians_per_s(waves, name), process_medians_per_s(waves, other))


def fastest(waves: Sequence[Wave], arms: Iterable[Arm]) -> str:
    """The name of the arm with the highest geometric mean of process medians."""
    return max((arm.name for arm in arms), key=lambda n: np.log(process_medians_per_s(waves, n)).mean())


def final_rows(waves: Sequence[Wave], arms: Sequence[Arm], best_hint: str) -> list[dict[str, Any]]:
    """The finals as a table, the fastest first."""
    rows = [
        {
            "name": arm.name,
            "properties": dict(arm.properties),
            "observed": {k: waves[0].facts[arm.name][k] for k in ("requests", "streams", "threads", "precision")},
            "process_medians_per_s": [_short(m) for m in process_medians_per_s(waves, arm.name)],
            "over_best_hint": interval(waves, arm.name, best_hint),
        }
        for arm in arms
    ]
    return sorted(rows, key=lambda row: -row["over_best_hint"]["ratio"])


def judge(waves: Sequence[Wave], arms: Sequence[Arm], claimed: dict[str, float]) -> dict[str, Any]:
    """The finals and the two answers: close enough to the best, and an honest claim."""
    best = fastest(waves, (arm for arm in arms if arm.name != "tuned"))
    best_hint = fastest(waves, HINTS)
    over_best, over_hint = interval(waves, "tuned", best), interval(waves, "tuned", best_hint)
    return {
        "finals": final_rows(waves, arms, best_hint),
        "best": best,
        "best_hint": best_hint,
        "tuned_over_best": over_best,
        "tuned_over_best_hint": over_hint,
        "claimed_gain": {key: float(claimed[key]) for key in ("median", "low", "high")},
        "within_3_percent": over_best["ratio"] >= 1 - MARGIN,
        "interval_overlaps": over_hint["low"] <= claimed["high"] and claimed["low"] <= over_hint["high"],
    }


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Both phases and everything that is written down."""
    started = time.monotonic()
    document = yaml.safe_load(chosen.tuned.read_text())
    tuned = tuned_arm(document)
    rules = Rules(chosen.model.resolve(), parse_shapes(chosen.shape), chosen.block, chosen.seed)
    usable = len(os.sched_getaffinity(0))
    cores = min(usable, psutil.cpu_count(logical=False) or usable)
    arms = [*grid(cores), *HINTS[1:]]
    table = race_groups(arms, rules, chosen)
    leaders = {row["name"] for row in table[: chosen.top]}
    finalists = [tuned, *HINTS, *(arm for arm in arms if arm.name in leaders and arm not in HINTS)]
    waves = race_finals(finalists, rules, chosen)
    facts = waves[0].facts[REFERENCE.name]
    return {
        "machine": {"cpu": facts["cpu"], "cores": cores},
        "versions": {"openvino": facts["openvino"], "python": platform.python_version()},
        "arguments": {k: v.name if isinstance(v, Path) else v for k, v in vars(chosen).items()},
        "duration_s": round(time.monotonic() - started),
        **judge(waves, finalists, document["profiles"][0]["result"]["gain"]),
        "grid": table,
    }


def summary(outcome: dict[str, Any]) -> str:
    """Return the outcome as text."""
    lines = [f"{outcome['machine']['cpu']}, {outcome['machine']['cores']} cores, {outcome['duration_s']} s"]
    for row in outcome["finals"]:
        lines.append(f"  {_words(row['over_best_hint'])}  {row['name']}")
    claimed = outcome["claimed_gain"]
    lines += [
        f"tuned over the best ({outcome['best']}): {_words(outcome['tuned_over_best'])}",
        f"tuned over the best hint ({outcome['best_hint']}): {_words(outcome['tuned_over_best_hint'])}",
        f"claimed: {claimed['median']:.3f} ({claimed['low']:.3f} to {claimed['high']:.3f})",
        f"within 3 % of the best: {'yes' if outcome['within_3_percent'] else 'NO'}",
        f"intervals overlap: {'yes' if outcome['interval_overlaps'] else 'NO'}",
    ]
    return "\n".join(lines)


def _words(ratio: dict[str, float]) -> str:
    return f"{ratio['ratio']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Race a tuned configuration against an exhaustive grid.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--shape", action="append", default=[], help="for example 'x=[1,3,48,320]'")
    parser.add_argument("--tuned", type=Path, required=True, help="the tuned.yaml to judge")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")
    parser.add_argument("--block", type=float, default=0.04, help="seconds a block (0.04)")
    parser.add_argument("--grid-rounds", type=int, default=20, help="rounds of each group of the grid (20)")
    parser.add_argument("--group", type=int, default=6, help="arms alive at once beside the reference (6)")
    parser.add_argument("--top", type=int, default=5, help="arms of the grid that reach the finals (5)")
    parser.add_argument("--processes", type=int, default=6, help="fresh processes of each finalist (6)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of each such process (100)")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    if chosen.processes < 2:
        parser.error("--processes: an interval needs 2 or more.")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Race, write the JSON, print the summary."""
    chosen = parse(arguments)
    outcome = run(chosen)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    partial = chosen.out.with_suffix(".partial")
    partial.write_text(json.dumps(outcome, indent=1) + "\n")
    partial.replace(chosen.out)
    print(summary(outcome))
    return 0 if outcome["within_3_percent"] and outcome["interval_overlaps"] else 1


if __name__ == "__main__":
    sys.exit(main())
