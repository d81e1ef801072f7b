"""Thousands of whole tunings on recorded noise: does what ships claim too much, find enough, and cover the truth?

The method was chosen by these figures, on the same finals for every method: how a process's rounds become one
figure, how figures of processes become an interval, at which level it decides, and whether A/A sets a floor.

    python -m tests.evidence.simulate_races results/reference/rounds/*.npz --out results/reference/races.json

Races are shared among the recordings. An interval counts where the finals had the processes that a verdict needs.
Exit 0: the method that ships has at most 0.5 % false wins with every budget, finds 5 % in throughput and in p90
latency in at least 95 % of the races with the default budget, and 3 % in throughput in at least 70 %; and its 95 %
intervals hold the truth in 93 to 97 %: those of throughput together, and those of each scenario that has enough of
them. Exit 1: one of them isn't so.
"""

import argparse
import multiprocessing
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

# Started by hand, Python looks beside the script only.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from autotp.findings.interval import REPORTED_CONFIDENCE
from autotp.findings.metric import METRICS, Metric
from autotp.measuring.samples.statistics import DECIDING_CONFIDENCE, MIN_PROCESSES, t_interval
from autotp.space.knobs.config import Config
from tests.evidence.candidate_methods import DECIDING, METHODS, claims, truths_held
from tests.evidence.outcomes import keep
from tests.support.models import matmul_model
from tests.support.replayed import Recording
from tests.support.simulated import HINTS, Simulated, candidates, simulate

CANDIDATES = 10
DEFAULT_BUDGET_S = 300.0
MOST_FALSE_WINS = 0.005
THROUGHPUT, P90 = METRICS["throughput"], METRICS["latency_p90"]
LEAST_POWER = {(THROUGHPUT, 1.05): 0.95, (THROUGHPUT, 1.03): 0.70, (P90, 1.05): 0.95}
COVERAGE = (0.93, 0.97)
ENOUGH_INTERVALS = 2000  # to distinguish 93 % from 95 %
CHOSEN = "t of medians"
RACES_A_TASK = 50

Counts = Counter[str]


class Scenario(msgspec.Struct, frozen=True):
    """Equal arms, but for a candidate that is `speed` times as fast and the LATENCY hint; and what is asked."""

    speed: float = 1.0
    budget_s: float = DEFAULT_BUDGET_S
    latency_hint: float = 1.0
    metric: Metric = THROUGHPUT

    @property
    def name(self) -> str:
        """How it is called in the outcome."""
        hint = "" if self.latency_hint == 1.0 else f", LATENCY at {self.latency_hint:g}"
        return f"{self.metric} {self.speed:g} in {self.budget_s:g} s{hint}"

    @property
    def least_power(self) -> float:
        """The share of races that must find the fastest."""
        return LEAST_POWER.get((self.metric, self.speed), 0.0)


SCENARIOS = (
    *(Scenario(budget_s=budget_s) for budget_s in (DEFAULT_BUDGET_S, 120.0, 60.0)),
    *(Scenario(budget_s=budget_s, latency_hint=0.8) for budget_s in (DEFAULT_BUDGET_S, 60.0)),
    Scenario(metric=P90, latency_hint=0.8),
    *(Scenario(speed, metric=metric) for metric, speed in LEAST_POWER),
)


class Task(msgspec.Struct, frozen=True):
    """Races of one scenario on one recording."""

    scenario: Scenario
    recording: Path
    seeds: range


def run(task: Task) -> tuple[Task, Counts]:
    """Run the races of `task` and count what came out of them."""
    counts: Counts = Counter()
    scenario, configs = task.scenario, candidates(CANDIDATES)
    speeds = dict.fromkeys(configs, 1.0) | {configs[0]: scenario.speed, HINTS[0]: scenario.latency_hint}
    given: dict[str, Any] = {"budget_s": scenario.budget_s, "objectives": (scenario.metric,)}
    with tempfile.TemporaryDirectory(prefix="autotp-") as folder:
        model = matmul_model(Path(folder))
        for seed in task.seeds:
            found = simulate(_recording(task.recording), speeds, model, Path(folder), seed=seed, **given)
            counts.update(_count(found, speeds))
            if scenario.metric == THROUGHPUT:
                counts.update(_count_methods(found, speeds))
    return task, counts


@cache
def _recording(path: Path) -> Recording:
    return Recording.load(path)


def _count(found: Simulated, speeds: Mapping[Config, float]) -> Iterator[str]:
    """Yield what is to be counted of one race."""
    verdict, fastest = found.result.verdict, max(speeds, key=lambda config: speeds[config])
    finals, best = found.result.finals, found.baselines[0]
    yield "races"
    yield f"verdict {verdict.ruling}"
    yield from (["fastest dropped"] if fastest in found.dropped else [])
    yield from ("fastest in the finals" for racer in found.result.finalists if racer.config == fastest)
    for racer in found.result.finalists if len(finals.waves) >= MIN_PROCESSES else ():
        gain = t_interval(finals.log_gains(racer.key, best), REPORTED_CONFIDENCE)
        yield "intervals"
        yield from (["held"] if gain.low <= speeds[racer.config] <= gain.high else [])
    if verdict.winner is not None:
        true_gain = speeds[verdict.winner.config]
        gain = verdict.winner.gain(best)
        yield "right win" if true_gain > 1.0 else "false win"
        yield "shipped"
        yield from (["shipped held"] if gain.low <= true_gain <= gain.high else [])


def _count_methods(found: Simulated, speeds: Mapping[Config, float]) -> Iterator[str]:
    """Yield which methods would have claimed a win, and whose intervals hold the truth."""
    finals, rivals = found.result.finals, found.baselines
    truths = {racer.key: speeds[racer.config] for racer in found.result.finalists}
    yield "races of methods"
    if len(finals.waves) < MIN_PROCESSES:
        return
    yield from ("intervals of methods" for _ in truths)
    yield from (f"held by {name}" for name in truths_held(finals, rivals[0], truths))
    for name, true_gain in claims(finals, rivals, truths):
        yield f"{'right' if true_gain > 1.0 else 'false'} win by {name}"


def summary(counts: Counts) -> dict[str, Any]:
    """Return the counts of one scenario as shares."""

    def share(what: str, of: str = "races") -> float | None:
        return round(counts[what] / counts[of], 4) if counts[of] else None

    return {
        "races": counts["races"],
        "false_wins": share("false win"),
        "right_wins": share("right win"),
        "unknown": share("verdict unknown"),
        "fastest_dropped": share("fastest dropped"),
        "fastest_in_the_finals": share("fastest in the finals"),
        "intervals": counts["intervals"],
        "coverage": share("held", "intervals"),
        "shipped": counts["shipped"],
        "coverage_of_what_shipped": share("shipped held", "shipped"),
        "coverage_of_methods": {m.name: share(f"held by {m.name}", "intervals of methods") for m in METHODS},
        "methods": {
            d.name: {
                "false_wins": share(f"false win by {d.name}", "races of methods"),
                "right_wins": share(f"right win by {d.name}", "races of methods"),
            }
            for d in DECIDING
        },
    }


def failings(outcome: Mapping[Scenario, Mapping[str, Any]], coverage: float) -> list[str]:
    """Return in words what the method that ships misses of its targets."""
    missed = []
    for scenario, found in outcome.items():
        if found["false_wins"] > MOST_FALSE_WINS:
            missed.append(f"{scenario.name}: {found['false_wins']:.2%} false wins")
        if found["right_wins"] < scenario.least_power:
            missed.append(f"{scenario.name}: found in {found['right_wins']:.1%}")
        if found["intervals"] >= ENOUGH_INTERVALS and not _covers(found["coverage"]):
            missed.append(f"{scenario.name}: intervals hold the truth in {found['coverage']:.1%}")
    if not _covers(coverage):
        missed.append(f"intervals of throughput hold the truth in {coverage:.1%}")
    return missed


def _covers(coverage: float) -> bool:
    return COVERAGE[0] <= coverage <= COVERAGE[1]


def throughput_coverage(totals: Mapping[Scenario, Counts]) -> float:
    """Return the share of the intervals of throughput that hold the truth."""
    counted = [counts for scenario, counts in totals.items() if scenario.metric == THROUGHPUT]
    return sum(counts["held"] for counts in counted) / max(1, sum(counts["intervals"] for counts in counted))


def tasks(recordings: Sequence[Path], races: int) -> list[Task]:
    """Share the races of each scenario among the recordings, in tasks small enough to be spread."""
    shares = [
        range(n * races // len(recordings), (n + 1) * races // len(recordings)) for n in range(len(recordings))
    ]
    return [
        Task(scenario, recording, range(start, min(start + RACES_A_TASK, share.stop)))
        for scenario in SCENARIOS
        for recording, share in zip(recordings, shares, strict=True)
        for start in range(share.start, share.stop, RACES_A_TASK)
    ]


def run_all(chosen: argparse.Namespace) -> dict[Scenario, Counts]:
    """Run every task, on as many processes as asked for."""
    totals: dict[Scenario, Counts] = {scenario: Counter() for scenario in SCENARIOS}
    with multiprocessing.Pool(chosen.jobs) as pool:
        for task, counts in pool.imap_unordered(run, tasks(chosen.recordings, chosen.races)):
            totals[task.scenario].update(counts)
    return totals


def main(arguments: list[str] | None = None) -> int:
    """Simulate, write the outcome, and say what is missed."""
    parser = argparse.ArgumentParser(description="Whole tunings, simulated on recorded rounds.")
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE.npz")
    parser.add_argument("--races", type=int, default=2000, help="of each scenario (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    started = perf_counter()
    totals = run_all(chosen)
    outcome = {scenario: summary(counts) for scenario, counts in totals.items()}
    coverage = throughput_coverage(totals)
    missed = failings(outcome, coverage)
    document = {
        "chosen": f"{CHOSEN}, {100 * DECIDING_CONFIDENCE:g} %, floor",
        "recordings": [recording.name for recording in chosen.recordings],
        "coverage_of_throughput": round(coverage, 4),
        "candidates": CANDIDATES,
        "missed": missed,
        "duration_s": round(perf_counter() - started),
        "scenarios": {
            scenario.name: msgspec.to_builtins(scenario) | {"metric": str(scenario.metric)} | found
            for scenario, found in outcome.items()
        },
    }
    keep(document, chosen.out)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
