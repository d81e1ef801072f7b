"""The Pareto front, and what the best in one objective costs in another."""

from math import log

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.findings.metric import METRICS
from autotp.space.knobs.config import Config
from autotp.tuning.result.pareto import Point, costs_of, front_of, gains_of, knee_of

FIRST, SECOND = METRICS["first_token_latency"], METRICS["second_token_latency"]
BOTH = (FIRST, SECOND)
SPREAD = (-0.003, -0.002, -0.001, 0.001, 0.002, 0.003)
POINTS = st.lists(
    st.builds(
        Point,
        config=st.just(Config()),
        metrics=st.fixed_dictionaries({"throughput_per_s": st.integers(1, 5), "latency_p50_s": st.integers(1, 5)}),
    ),
    max_size=12,
)


def point(threads: int, first_s: float, second_s: float, noise: float = 1.0) -> Point:
    """An arm beside a baseline of 0.1 s and 0.01 s, measured in six processes."""
    gains = {FIRST: 0.1 / first_s, SECOND: 0.01 / second_s}
    return Point(
        config=Config.of({"inference_num_threads": threads}),
        metrics={FIRST.key: first_s, SECOND.key: second_s},
        log_gains={metric: tuple(log(gain) + noise * off for off in SPREAD) for metric, gain in gains.items()},
    )


@given(POINTS)
def test_the_front_holds_what_nothing_beats(points: list[Point]) -> None:
    """A point is left out exactly where another is as good in both metrics and better in one."""
    front = front_of(points, (METRICS["throughput"], METRICS["latency_p50"]))
    for one in points:
        rate, latency = one.metrics["throughput_per_s"], one.metrics["latency_p50_s"]
        beaten = any(
            other.metrics["throughput_per_s"] >= rate
            and other.metrics["latency_p50_s"] <= latency
            and (other.metrics["throughput_per_s"], other.metrics["latency_p50_s"]) != (rate, latency)
            for other in points
        )
        assert (one in front) is not beaten


def test_each_end_costs_something_in_the_other() -> None:
    """Twice the threads halve the first token and make the second 1.25 times as long."""
    wide, narrow = point(8, 0.05, 0.01), point(4, 0.1, 0.008)
    assert costs_of(wide, [wide, narrow], BOTH)["second_token_latency"].median == pytest.approx(1.25)
    assert set(costs_of(narrow, [wide, narrow], BOTH)) == {"first_token_latency"}


def test_what_is_not_proven_costs_nothing() -> None:
    """If the points differ by less than processes do, the cost's interval includes 1: no cost is proven."""
    front = [point(8, 0.1, 0.01001), point(4, 0.1001, 0.01, noise=5.0)]
    assert [cost.low < 1.0 for one in front for cost in costs_of(one, front, BOTH).values()] == [True, True]


def test_of_a_single_process_no_cost_is_reported() -> None:
    """From one pair there is no interval, so tuned.yaml holds none from nothing to infinity."""
    once = [
        msgspec.structs.replace(of, log_gains={metric: gains[:1] for metric, gains in of.log_gains.items()})
        for of in (point(8, 0.05, 0.01), point(4, 0.1, 0.005))
    ]
    assert front_of(once, BOTH) == once
    assert [costs_of(of, once, BOTH) for of in once] == [{}, {}]


def test_one_config_may_be_the_best_in_all() -> None:
    """The front is that one point, and it costs nothing."""
    best, worse = point(8, 0.05, 0.005), point(4, 0.1, 0.008)
    assert front_of([best, worse], BOTH) == [best]
    assert costs_of(best, [best], BOTH) == {}


def test_gains_are_relative_to_the_baseline() -> None:
    """By objective, with an interval; a single process has none."""
    wide = point(8, 0.05, 0.01)
    assert gains_of(wide, BOTH)["first_token_latency"].median == pytest.approx(2.0)
    assert gains_of(wide, BOTH)["second_token_latency"].median == pytest.approx(1.0)
    assert gains_of(msgspec.structs.replace(wide, log_gains={FIRST: (0.7,)}), BOTH) == {}


def test_the_knee_gives_up_least_at_its_worst() -> None:
    """Of points between the ends, by ratios; two points have none between them."""
    ends = [point(8, 0.01, 0.08), point(1, 0.08, 0.01)]
    near, far = point(4, 0.02, 0.02), point(2, 0.05, 0.015)
    assert knee_of([*ends, far, near], BOTH) is near
    assert knee_of([*ends, far], BOTH) is far
    assert knee_of(ends, BOTH) is None
