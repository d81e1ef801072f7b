"""The finals: their schedule, and waves of fresh processes, here on synthetic blocks."""

from math import inf, log
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.findings.metric import METRICS
from autotp.measuring.rounds.waves import (
    AA,
    MAX_PROCESSES,
    MAX_ROUNDS,
    MIN_ROUNDS,
    RoundCounts,
    WaveSchedule,
    _width,
    plan_waves,
    seconds_needed,
)
from autotp.measuring.samples.statistics import MIN_PROCESSES
from tests.support.pretended_arms import PLAIN, QUOTA, Pretended, finals_of, nothing

seconds = st.floats(0, 5000)
arms = st.integers(2, 8)
start_s = st.floats(0.05, 60)
block_s = st.floats(0.05, 5)
USUAL = RoundCounts()


@given(seconds, arms, start_s, block_s)
def test_a_schedule_stays_within_its_bounds(seconds: float, arms: int, start_s: float, block_s: float) -> None:
    """There are 6 to 60 processes of 10 to 100 rounds, and more than six only where each has 25."""
    schedule = plan_waves(seconds, arms, start_s, block_s, USUAL)
    assert MIN_PROCESSES <= schedule.processes <= MAX_PROCESSES
    assert schedule.processes == MIN_PROCESSES or schedule.rounds >= USUAL.enough
    assert MIN_ROUNDS <= schedule.rounds <= MAX_ROUNDS


@given(seconds, arms, start_s, block_s)
def test_a_schedule_fits_into_its_time(seconds: float, arms: int, start_s: float, block_s: float) -> None:
    """Only the least schedule, without which there is no verdict, may take longer than there is."""
    schedule = plan_waves(seconds, arms, start_s, block_s, USUAL)
    if schedule != WaveSchedule(MIN_PROCESSES, MIN_ROUNDS, most=MAX_PROCESSES):
        wave_s = start_s + schedule.rounds * arms * block_s
        assert schedule.processes * wave_s <= seconds * (1 + 1e-9)


@given(seconds, st.floats(0, 1000), arms, start_s, block_s)
def test_more_time_never_promises_a_wider_interval(
    seconds: float, more: float, arms: int, start_s: float, block_s: float
) -> None:
    """Each schedule that fits into less time fits into more, with as many rounds or more."""
    short, long = (plan_waves(s, arms, start_s, block_s, USUAL) for s in (seconds, seconds + more))
    assert _width(long, USUAL) <= _width(short, USUAL)


def test_costly_starts_mean_fewer_processes() -> None:
    """Where a wave starts in half a second there are many processes; where in twenty, few."""
    quick, slow = (plan_waves(200.0, 4, start_s, 0.05, USUAL) for start_s in (0.5, 20.0))
    assert quick.processes > 15
    assert slow.processes < 9


def test_no_time_gives_the_least_schedule() -> None:
    """Even behind time the finals aim at the fewest processes that allow a verdict."""
    least = WaveSchedule(MIN_PROCESSES, MIN_ROUNDS, most=MAX_PROCESSES)
    assert plan_waves(-5.0, 3, 1.0, 0.05, USUAL) == least


def test_the_time_needed_gives_rounds_enough() -> None:
    """What `seconds_needed` asks for, `plan_waves` turns into at least 25 rounds of six processes."""
    needed_s = seconds_needed(arms=3, arm_start_s=0.8, block_s=0.05, rounds=USUAL.enough)
    schedule = plan_waves(needed_s * 1.001, 3, 3 * 0.8, 0.05, USUAL)
    assert schedule.processes == MIN_PROCESSES
    assert schedule.rounds >= 25


def test_long_blocks_make_short_schedules() -> None:
    """Under a quota a process runs 2, 5, 17 rounds instead of 10, 25, 100: as many seconds as usual."""
    assert RoundCounts.of(PLAIN) == USUAL == RoundCounts(MIN_ROUNDS, 25, MAX_ROUNDS)
    assert RoundCounts.of(QUOTA) == RoundCounts(2, 5, 17)
    short, long = (plan_waves(seconds, 3, 3.0, 0.4, RoundCounts.of(QUOTA)) for seconds in (50.0, 1e4))
    assert short == WaveSchedule(MIN_PROCESSES, 4, 2, MAX_PROCESSES)
    assert long == WaveSchedule(MAX_PROCESSES, 17, 2, MAX_PROCESSES)


def test_rounds_enough_can_be_more() -> None:
    """A p99 may need more rounds than any schedule would have otherwise, and no process may have fewer."""
    assert RoundCounts(2, 5, 17).enough_for(METRICS["latency_p99"], 120.0) == RoundCounts(5, 5, 17)
    assert RoundCounts(2, 5, 17).enough_for(METRICS["latency_p99"], 23.0) == RoundCounts(24, 24, 24)
    assert RoundCounts(2, 5, 17).enough_for(METRICS["latency_p90"], 22.0) == RoundCounts(2, 5, 17)


def test_behind_time_a_process_runs_the_fewest_rounds_of_its_blocks() -> None:
    """Past its share of the time a wave ends after 10 usual rounds, or after 2 of a quota's."""
    over = monotonic() - 1.0
    for blocks, expected in ((PLAIN, 10), (QUOTA, 2)):
        finals = finals_of({"baseline": 0.02}, blocks=blocks)
        finals.run(WaveSchedule(6, 50, RoundCounts.of(blocks).fewest), over, inf, nothing)
        assert {len(found) for wave in finals.waves for found in wave.values()} == {expected}


def test_each_wave_is_new_processes_and_the_baselines_twin() -> None:
    """Every arm and the second one of the baseline are made anew for each wave and stopped after it."""
    made: list[Pretended] = []
    finals = finals_of({"baseline": 0.02, "fast": 0.01}, made)
    finals.run(WaveSchedule(6, 10), inf, inf, nothing)
    assert len(made) == 6 * 3
    assert all(arm.stopped for arm in made)
    assert [sorted(wave) for wave in finals.waves] == [sorted(["baseline", "fast", AA])] * 6
    assert {len(blocks) for wave in finals.waves for blocks in wave.values()} == {10}


def test_gains_are_one_for_each_process() -> None:
    """Six processes give six log-gains, near log 2; the floor from A/A is a little above 1."""
    finals = finals_of({"baseline": 0.02, "fast": 0.01})
    finals.run(WaveSchedule(6, 20), inf, inf, nothing)
    assert finals.log_gains("fast", "baseline") == pytest.approx([log(2)] * 6, abs=0.02)
    assert 1.0 <= finals.noise_floor < 1.03
    assert finals.metrics("fast")["throughput_per_s"] == pytest.approx(100.0, rel=0.02)
    assert len(finals.rows("fast")) == 120
    assert {process for process, _, _ in finals.rows("fast")} == set(range(6))
    assert finals.fewest_samples == 200


def test_an_arm_that_fails_once_is_out_of_all_waves() -> None:
    """A finalist that fails in its second process is in no wave, and isn't started again."""
    made: list[Pretended] = []
    finals = finals_of({"baseline": 0.02, "frail": 0.01, "sound": 0.015}, made, frail=("frail", 2))
    finals.run(WaveSchedule(6, 10), inf, inf, nothing)
    assert list(finals.failures) == ["frail"]
    assert all("frail" not in wave for wave in finals.waves)
    assert len(finals.log_gains("sound", "baseline")) == 6
    assert len(made) == 6 * 4 - 4


def test_a_baseline_that_fails_leaves_no_gains() -> None:
    """Without the baseline there is nothing to be relative to: no log-gains, and no crash."""
    finals = finals_of({"baseline": 0.02, "fast": 0.01}, frail=("baseline", 3))
    finals.run(WaveSchedule(6, 10), inf, inf, nothing)
    assert "baseline" in finals.failures
    assert finals.log_gains("fast", "baseline") == []
    assert finals.metrics("fast")["throughput_per_s"] == pytest.approx(100.0, rel=0.05)


def test_the_deadline_ends_the_finals_after_enough_processes() -> None:
    """Past its deadline a run goes on only to the fewest processes, and past the last resort not even there."""
    over = monotonic() - 1.0
    enough, none = finals_of({"baseline": 0.02}), finals_of({"baseline": 0.02})
    enough.run(WaveSchedule(12, 10), over, inf, nothing)
    none.run(WaveSchedule(12, 10), over, over, nothing)
    assert len(enough.waves) == MIN_PROCESSES
    assert none.waves == []


def test_ahead_of_time_further_waves_follow() -> None:
    """Once the schedule is done, the time that is left is used, but for no more waves than it allows."""
    over = monotonic() - 1.0
    early, late = finals_of({"baseline": 0.02}), finals_of({"baseline": 0.02})
    early.run(WaveSchedule(6, 10, most=9), inf, inf, nothing)
    late.run(WaveSchedule(6, 10, most=9), over, inf, nothing)
    assert (len(early.waves), len(late.waves)) == (9, MIN_PROCESSES)


def test_the_study_hears_of_each_wave() -> None:
    """Heartbeats are recorded once a wave."""
    beats: list[int] = []
    finals_of({"baseline": 0.02}).run(WaveSchedule(6, 10), inf, inf, lambda: beats.append(1))
    assert len(beats) == 6
