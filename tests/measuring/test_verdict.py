"""The verdict, a pure function of what fresh processes measured."""

from collections.abc import Mapping, Sequence
from math import inf, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring.verdict import Candidate, Measured, Verdict, judge
from autotp.space.knobs.config import Config

MUCH: dict[str, Any] = {"processes": 6, "samples": 10_000, "shortest_s": None}


def around(gain: float, spread: float = 0.002) -> list[float]:
    """Six log-gains about `gain`."""
    return [log(gain) + spread * step for step in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)]


def candidate(
    gains: Mapping[str, Sequence[float]], *, key: str = "a", feasible: bool = True, **settings: object
) -> Candidate:
    """A finalist with these log-gains against each baseline."""
    return Candidate(key=key, config=Config.of(settings), log_gains=gains, feasible=feasible)


def ruled(*candidates: Candidate, **given: Any) -> Verdict:
    """The verdict on good finals against one baseline, but for what is `given`."""
    defaults: dict[str, Any] = {
        "best_baseline": "hint",
        "must_beat": ["hint"],
        "baseline_keeps": True,
        "noise_floor": 1.01,
        "metric": METRICS["throughput"],
    }
    measured = Measured(*(given.pop(name, usual) for name, usual in MUCH.items()))
    return judge(candidates, measured=measured, **{**defaults, **given})


def test_a_clear_gain_wins() -> None:
    """5 % with a spread of 0.2 % over six processes is a WIN of that finalist."""
    best = candidate({"hint": around(1.05)})
    assert ruled(best) == Verdict(Ruling.WIN, best)


@pytest.mark.parametrize(
    "gains",
    [around(1.0), around(0.9), around(1.05, spread=0.1), [log(1.05)] * 5 + [log(0.5)]],
    ids=["equal", "slower", "noisy", "one process lost"],
)
def test_what_is_not_proven_is_a_tie(gains: list[float]) -> None:
    """Equal, slower, or too uncertain a gain ships the hint."""
    assert ruled(candidate({"hint": gains})) == Verdict(Ruling.TIE)


def test_nothing_below_the_noise_floor_is_claimed() -> None:
    """A steady 2 % is a TIE where the smallest provable gain is 3 %, and a WIN where it is 1 %."""
    small = candidate({"hint": around(1.02)})
    assert ruled(small, noise_floor=1.03).ruling is Ruling.TIE
    assert ruled(small, noise_floor=1.01).ruling is Ruling.WIN
    assert ruled(small, noise_floor=inf).ruling is Ruling.TIE


def test_every_baseline_must_be_beaten() -> None:
    """A gain over the best hint alone doesn't win where another baseline keeps up."""
    half = candidate({"hint": around(1.2), "own": around(1.0)})
    assert ruled(half, must_beat=["hint", "own"]).ruling is Ruling.TIE
    assert ruled(half, must_beat=["hint"]).ruling is Ruling.WIN


def test_what_breaks_a_constraint_cannot_win() -> None:
    """The faster finalist that isn't feasible leaves the win to the feasible one."""
    fast = candidate({"hint": around(2.0)}, key="fast", feasible=False, num_streams=1)
    slow = candidate({"hint": around(1.2)}, key="slow", num_streams=2)
    assert ruled(fast, slow).winner is slow
    alone = ruled(fast)
    assert (alone.ruling, alone.reason) == (Ruling.TIE, "num_streams=1 is faster, but may break a constraint")


def test_nothing_feasible_is_unknown() -> None:
    """Where no baseline and no finalist keeps the constraints, the text says so."""
    verdict = ruled(candidate({"hint": around(2.0)}, feasible=False), must_beat=[], baseline_keeps=False)
    assert verdict.ruling is Ruling.UNKNOWN
    assert "constraints" in verdict.reason


def test_a_baseline_that_may_keep_a_constraint_must_be_beaten() -> None:
    """Without a gain only what keeps the constraints wins, where every baseline is proven not to; else UNKNOWN."""
    slower = candidate({"hint": around(0.8)})
    assert ruled(slower, must_beat=[], baseline_keeps=False).winner is slower
    unsure = ruled(slower, baseline_keeps=False)
    assert unsure.ruling is Ruling.UNKNOWN
    assert "may keep" in unsure.reason
    faster = candidate({"hint": around(1.2)})
    assert ruled(faster, baseline_keeps=False).winner is faster


def test_fewer_than_six_processes_tell_nothing() -> None:
    """Five processes are too few, however clear they are; the reason counts them."""
    verdict = ruled(candidate({"hint": around(2.0)[:5]}), processes=5)
    assert verdict.ruling is Ruling.UNKNOWN
    assert "needs 6 processes" in verdict.reason
    assert verdict.reason.endswith("held 5: give a longer one")
    known = ruled(candidate({"hint": around(2.0)[:5]}), processes=5, shortest_s=33.2)
    assert known.reason.endswith("held 5: give at least 34 s")


@pytest.mark.parametrize(("name", "enough"), [("latency_p95", 100), ("latency_p99", 500), ("latency_p999", 5000)])
def test_a_rare_quantile_needs_samples_of_each_process(name: str, enough: int) -> None:
    """With fewer than 500 latencies in a process, p99 can't be judged; others need more, fewer or any number."""
    best, metric = candidate({"hint": around(1.5)}), METRICS[name]
    assert ruled(best, metric=metric, samples=enough - 1).ruling is Ruling.UNKNOWN
    assert f"{name} needs {enough} latencies" in ruled(best, metric=metric, samples=enough - 1).reason
    assert ruled(best, metric=metric, samples=enough).ruling is Ruling.WIN
    assert ruled(best, metric=METRICS["latency_p90"], samples=1).ruling is Ruling.WIN


def test_the_best_of_several_winners_ships() -> None:
    """Among finalists that clearly differ, the largest median gain wins."""
    good = candidate({"hint": around(1.1)}, key="good", num_streams=2)
    better = candidate({"hint": around(1.3)}, key="better", num_streams=2, nireq=8)
    assert ruled(good, better).winner is better


def test_ties_among_winners_go_to_the_simpler_config() -> None:
    """A config of one knob ships where one of three is ahead by less than 1 % and not provably."""
    complex_one = candidate(
        {"hint": around(1.304, 0.02)}, key="c", num_streams=2, nireq=8, enable_cpu_pinning=False
    )
    simple = candidate({"hint": list(reversed(around(1.3, 0.02)))}, key="s", inference_precision_hint="f32")
    assert ruled(complex_one, simple).winner is simple


def test_among_as_simple_configs_fewer_requests_ship() -> None:
    """Of two configs with two knobs each that are alike, the one with fewer requests in flight ships."""
    many = candidate({"hint": around(1.302, 0.02)}, key="m", num_streams=2, nireq=8)
    few = candidate({"hint": list(reversed(around(1.3, 0.02)))}, key="f", num_streams=2, nireq=4)
    assert ruled(many, few).winner is few


def test_a_simpler_config_that_is_provably_slower_does_not_ship() -> None:
    """0.8 % behind in every process is proven worse, though it is within 1 %."""
    ahead = candidate({"hint": around(1.3, 0.01)}, key="a", num_streams=2, nireq=8)
    behind = candidate({"hint": [g - 0.008 for g in around(1.3, 0.01)]}, key="b", num_streams=2)
    assert ruled(ahead, behind).winner is ahead


def test_no_finalist_is_a_tie() -> None:
    """Nothing to race against measured baselines: the hint ships."""
    assert ruled() == Verdict(Ruling.TIE)


@given(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=12), st.floats(1.0, 1.5), st.integers(1, 3))
def test_a_win_is_always_above_one_and_the_floor(gains: list[float], floor: float, rivals: int) -> None:
    """Whatever was measured, a winner's reported interval lies above 1 and its median above the floor."""
    others = [candidate({"hint": [0.0] * len(gains)}, key=str(i), num_streams=1) for i in range(rivals - 1)]
    verdict = ruled(candidate({"hint": gains}), *others, noise_floor=floor, processes=len(gains))
    if verdict.winner is not None:
        interval = verdict.winner.gain("hint")
        assert interval.low > 1.0
        assert interval.median >= floor
