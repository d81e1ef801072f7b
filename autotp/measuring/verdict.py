"""The verdict, a pure function of what fresh processes measured, for the finals of a tuning and for comparisons.

WIN: the lower end of the strict interval is above 1 and the gain is at or above the noise floor,
against every baseline. TIE: measured in full, but nothing wins. UNKNOWN: can't tell.
"""

from collections.abc import Mapping, Sequence

import msgspec

from autotp.findings import REPORTED_CONFIDENCE, Interval, Metric, Ruling
from autotp.measuring.samples.statistics import MIN_PROCESSES, proven, t_interval
from autotp.space import Config

SAME_WITHIN = 0.01


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A config that may ship: its log-gains against each baseline, one a process. `feasible`: it may win."""

    key: str
    config: Config
    log_gains: Mapping[str, Sequence[float]]
    feasible: bool = True

    def gain(self, baseline: str) -> Interval:
        """Return the reported interval against `baseline`: 95 %, over processes."""
        return t_interval(self.log_gains[baseline], REPORTED_CONFIDENCE)

    def wins(self, must_beat: Sequence[str], noise_floor: float, comparisons: int) -> bool:
        """Whether the constraints are kept and the gain is proven against each baseline in `must_beat`."""
        return self.feasible and all(
            proven(self.log_gains[baseline], noise_floor, comparisons) for baseline in must_beat
        )


class Verdict(msgspec.Struct, frozen=True):
    """The ruling, what has won (None: nothing), and why where it isn't plain."""

    ruling: Ruling
    winner: Candidate | None = None
    reason: str = ""


def judge(
    candidates: Sequence[Candidate],
    *,
    best_baseline: str,
    must_beat: Sequence[str],
    baseline_keeps: bool,
    noise_floor: float,
    processes: int,
    metric: Metric,
    samples: int,
) -> Verdict:
    """Rule on candidates measured against baselines in fresh processes.

    Args:
        candidates: what was measured of each.
        best_baseline: key of the baseline that reported gains are relative to.
        must_beat: keys of the baselines that aren't proven to break a constraint; one that is can't ship.
        baseline_keeps: whether some baseline, as it was measured, keeps the constraints and so can ship.
        noise_floor: the smallest ratio that could be proved, from A/A.
        processes: fresh processes that each arm ran in.
        metric: the objective that decides.
        samples: the fewest latencies that any arm has in one process.
    """
    if reason := too_little(processes, metric, samples):
        return Verdict(Ruling.UNKNOWN, reason=reason)
    winners = [candidate for candidate in candidates if candidate.wins(must_beat, noise_floor, len(candidates))]
    if not winners:
        return Verdict(Ruling.TIE) if baseline_keeps else _nothing_ships(candidates)
    best = max(winners, key=lambda candidate: candidate.gain(best_baseline).median)
    return Verdict(Ruling.WIN, min(_as_good_as(best, winners, best_baseline), key=_complexity))


def too_little(processes: int, metric: Metric, samples: int) -> str | None:
    """Return why so few processes, or samples in one, prove nothing of `metric`; None where they suffice."""
    if processes < MIN_PROCESSES:
        return f"{processes} of {MIN_PROCESSES} processes fit into the budget, a longer one holds more"
    if samples < metric.min_samples:
        return f"{metric} needs {metric.min_samples} samples a process, there were {samples}"
    return None


def _nothing_ships(candidates: Sequence[Candidate]) -> Verdict:
    if any(candidate.feasible for candidate in candidates):
        reason = "what keeps the constraints isn't proven faster than a baseline that may keep them, too"
    else:
        reason = "nothing that was measured keeps the constraints"
    return Verdict(Ruling.UNKNOWN, reason=reason)


def _as_good_as(best: Candidate, winners: Sequence[Candidate], baseline: str) -> list[Candidate]:
    """Return the winners that can't be told from `best` and lie within 1 % of it."""
    alike = [best]
    for other in winners:
        if other is not best:
            paired = [a - b for a, b in zip(best.log_gains[baseline], other.log_gains[baseline], strict=True)]
            interval = t_interval(paired, REPORTED_CONFIDENCE)
            if interval.low <= 1.0 and interval.median <= 1.0 + SAME_WITHIN:
                alike.append(other)
    return alike


def _complexity(candidate: Candidate) -> tuple[int, int]:
    """Fewer knobs are simpler; among as many, fewer requests in flight."""
    return len(candidate.config.settings), candidate.config.count("nireq") or 0
