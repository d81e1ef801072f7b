"""The Pareto front of several objectives, its knee, and what being best in one costs in the others.

A point is on the front if no other point is at least as good in every objective and better in one, by the
figures of the finals. A cost is how many times worse a point is than the best one in an objective. Its interval is
computed over processes, paired like that of a gain, so that noise isn't reported as a proven cost.
"""

from collections.abc import Mapping, Sequence
from math import isfinite, log

import msgspec

from autotp.findings.interval import REPORTED_CONFIDENCE, Interval
from autotp.findings.metric import Metric
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.samples.statistics import t_interval
from autotp.space.knobs.config import Config


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What the finals measured of one arm.

    `log_gains` are relative to the best baseline: by objective, one for each process. `proven` are the objectives
    in which it would be a WIN.
    """

    config: Config
    metrics: Mapping[str, float]
    log_gains: Mapping[Metric, Sequence[float]] = {}
    proven: Sequence[Metric] = ()
    observed: Observed | None = None


def front_of(points: Sequence[Point], metrics: Sequence[Metric]) -> list[Point]:
    """Return those of `points` that no other is at least as good as in every metric and better than in one."""

    def losses(point: Point) -> list[float]:
        return [metric.loss(point.metrics) for metric in metrics]

    def beats(one: list[float], other: list[float]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return [point for point in points if not any(beats(losses(other), losses(point)) for other in points)]


def costs_of(point: Point, front: Sequence[Point], metrics: Sequence[Metric]) -> dict[str, Interval]:
    """Return, by objective, how many times worse `point` is than the best of `front`.

    Objectives in which it is the best are left out, and so are those with too few processes for an interval.
    """
    best = {metric: _best(front, metric) for metric in metrics}
    costs = {metric: _times_worse(point, best[metric], metric) for metric in metrics if best[metric] != point}
    return {str(metric): cost for metric, cost in costs.items() if isfinite(cost.high)}


def gains_of(point: Point, metrics: Sequence[Metric]) -> dict[str, Interval]:
    """Return, by objective, how many times better `point` is than the best baseline, if that has an interval."""
    gains = {str(metric): t_interval(point.log_gains.get(metric, ()), REPORTED_CONFIDENCE) for metric in metrics}
    return {name: gain for name, gain in gains.items() if isfinite(gain.high)}


def knee_of(front: Sequence[Point], metrics: Sequence[Metric]) -> Point | None:
    """Return the point between the ends of `front` that gives up least; None with fewer than three points.

    What a point gives up in an objective is its distance from the best, as a share of the distance between the
    best and the worst on the front, on a scale of ratios. It counts in the objective where it is largest (the
    weighted Chebyshev distance to the ideal point: Miettinen, "Nonlinear Multiobjective Optimization", 1999, 3.4).
    """
    if len(front) < 3:
        return None

    def given_up(point: Point) -> float:
        shares = []
        for metric in metrics:
            values = [log(one.metrics[metric.key]) * (-1.0 if metric.maximize else 1.0) for one in front]
            own = log(point.metrics[metric.key]) * (-1.0 if metric.maximize else 1.0)
            span = max(values) - min(values)
            shares.append((own - min(values)) / span if span else 0.0)
        return max(shares)

    return min(front, key=given_up)


def _best(front: Sequence[Point], metric: Metric) -> Point:
    return min(front, key=lambda point: metric.loss(point.metrics))


def _times_worse(point: Point, best: Point, metric: Metric) -> Interval:
    pairs = zip(best.log_gains.get(metric, ()), point.log_gains.get(metric, ()), strict=False)
    return t_interval([other - own for other, own in pairs], REPORTED_CONFIDENCE)
