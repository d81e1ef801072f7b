"""The verdict, a pure function of what fresh processes measured, for the finals of a tuning and for comparisons.

WIN: against every baseline, the lower end of the deciding interval is above 1 and the gain is at least the noise
floor. TIE: enough was measured, but nothing wins. UNKNOWN: too little was measured to decide.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from autotp.findings.interval import REPORTED_CONFIDENCE, Interval
from autotp.findings.metric import Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.samples.statistics import MIN_PROCESSES, proven, t_interval
from autotp.space.knobs.config import Config

SAME_WITHIN = 0.01


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A config that may win: its log-gains per baseline, one per process.

    `feasible` is whether its intervals lie within all bounds.
    """

    key: str
    config: Config = Config()
    log_gains: Mapping[str, Sequence[float]]
    feasible: bool = True

    def gain(self, baseline: str) -> Interval:
        """Return the reported interval (95 %, over processes) of the gain against `baseline`."""
        return t_interval(self.log_gains[baseline], REPORTED_CONFIDENCE)

    def is_faster(self, must_beat: Sequence[str], noise_floor: float, comparisons: int) -> bool:
        """Whether its gain is proven against each baseline in `must_beat`."""
        return all(proven(self.log_gains[baseline], noise_floor, comparisons) for baseline in must_beat)


class Verdict(msgspec.Struct, frozen=True):
    """The ruling, the winner if there is one, and the reason unless the ruling says it all."""

    ruling: Ruling
    winner: Candidate | None = None
    reason: str = ""


class Measured(msgspec.Struct, frozen=True):
    """How much was measured.

    Attributes:
        processes: how many fresh processes each arm ran in.
        samples: the smallest number of latencies that an arm has in one process.
        shortest_s: about the shortest budget with enough processes; None if that isn't known.
    """

    processes: int
    samples: int
    shortest_s: float | None = None


def judge(
    candidates: Sequence[Candidate],
    *,
    best_baseline: str,
    must_beat: Sequence[str],
    baseline_keeps: bool,
    noise_floor: float,
    metric: Metric,
    measured: Measured,
    nearest: str = "",
) -> Verdict:
    """Rule on candidates measured against baselines in fresh processes.

    Args:
        candidates: the configs to judge.
        best_baseline: key of the baseline that reported gains are relative to.
        must_beat: keys of the baselines that a winner must beat: those not proven to break a constraint.
        baseline_keeps: whether some baseline keeps the constraints by its measured figures, so that it is a TIE if
            nothing wins.
        noise_floor: the smallest ratio that could be proven, from A/A.
        metric: the objective that decides.
        measured: how much was measured.
        nearest: in words, what is the least beyond the bounds.
    """
    if reason := too_little(metric, measured):
        return Verdict(Ruling.UNKNOWN, reason=reason)
    faster = [one for one in candidates if one.is_faster(must_beat, noise_floor, len(candidates))]
    winners = [one for one in faster if one.feasible]
    if not winners and not baseline_keeps:
        return _nothing_to_select(candidates, nearest)
    if not winners:
        unsure = " and ".join(str(one.config) for one in faster)
        return Verdict(Ruling.TIE, reason=f"{unsure} is faster, but may break a constraint" if faster else "")
    best = max(winners, key=lambda candidate: candidate.gain(best_baseline).median)
    return Verdict(Ruling.WIN, min(_as_good_as(best, winners, best_baseline), key=_complexity))


def too_little(metric: Metric, measured: Measured) -> str | None:
    """Return why so few processes, or samples per process, can't prove a gain in `metric`; None if they can."""
    if measured.processes < MIN_PROCESSES:
        needed = f"a verdict needs {MIN_PROCESSES} processes of each config"
        return f"{needed} and the budget held {measured.processes}: give {longer(measured.shortest_s)}"
    if measured.samples < metric.min_samples:
        needed = f"{metric} needs {metric.min_samples} latencies in each process"
        return f"{needed}, and the fewest were {measured.samples}: give a longer budget"
    return None


def longer(shortest_s: float | None) -> str:
    """Return which budget to give instead of one that was too short."""
    return "a longer one" if shortest_s is None else f"at least {ceil(shortest_s)} s"


def _nothing_to_select(candidates: Sequence[Candidate], nearest: str) -> Verdict:
    if any(candidate.feasible for candidate in candidates):
        reason = "what keeps the constraints isn't proven faster than a baseline that may keep them, too"
    else:
        reason = f"nothing that was measured keeps the constraints with certainty; {nearest}"
    return Verdict(Ruling.UNKNOWN, reason=reason)


def _as_good_as(best: Candidate, winners: Sequence[Candidate], baseline: str) -> list[Candidate]:
    """Return `best` and the winners that aren't proven worse than it and lie within 1 % of it."""
    alike = [best]
    for other in winners:
        if other is not best:
            paired = [a - b for a, b in zip(best.log_gains[baseline], other.log_gains[baseline], strict=True)]
            interval = t_interval(paired, REPORTED_CONFIDENCE)
            if interval.low <= 1.0 and interval.median <= 1.0 + SAME_WITHIN:
                alike.append(other)
    return alike


def _complexity(candidate: Candidate) -> tuple[int, int]:
    """Sort key: fewer knobs are simpler; with equally many, fewer requests in flight."""
    return len(candidate.config.settings), candidate.config.count("nireq") or 0
