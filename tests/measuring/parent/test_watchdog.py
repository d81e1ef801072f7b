"""Watchdogs: how long a phase may take before and after the baselines are known."""

import pytest

from autotp.measuring.failure import Phase
from autotp.measuring.parent.watchdog import FLOOR_S, UNSCALED_LIMITS, PhaseClock


def clock_after(took_s: dict[Phase, float]) -> PhaseClock:
    """A clock tightened by baselines that took so long."""
    clock = PhaseClock()
    clock.longest_s = took_s
    clock.tighten()
    return clock


def test_each_phase_has_a_limit_before_anything_is_known() -> None:
    """Every phase is watched from the start."""
    assert {phase for phase in Phase if UNSCALED_LIMITS.of(phase) > 0} == set(Phase)


def test_a_small_model_loses_ten_seconds_to_a_hang() -> None:
    """Where the baselines took milliseconds the limit is the floor, also with a deep queue."""
    clock = clock_after({Phase.START: 0.4, Phase.COMPILE: 0.2, Phase.WARM_UP: 0.002, Phase.BLOCK: 0.002})
    assert {clock.limits.of(phase) for phase in (Phase.START, Phase.COMPILE)} == {FLOOR_S}
    assert {clock.limits.of(phase, 64) for phase in (Phase.WARM_UP, Phase.BLOCK)} == {FLOOR_S}


def test_a_slow_model_has_ten_times_what_its_baselines_took() -> None:
    """A compile of 60 s may take 600 s and one of 400 s more than an hour; no absolute limit cuts it short."""
    assert clock_after({Phase.COMPILE: 60.0}).limits.of(Phase.COMPILE) == 600.0
    assert clock_after({Phase.COMPILE: 400.0}).limits.of(Phase.COMPILE) == 4000.0


def test_a_block_with_more_requests_in_flight_may_take_longer() -> None:
    """An inference of 5 s leaves a turn of 64 requests the 320 s that it takes on the same CPUs, tenfold."""
    limits = clock_after({Phase.BLOCK: 5.0}).limits
    assert limits.of(Phase.BLOCK) == 50.0
    assert limits.of(Phase.BLOCK, 64) == 3200.0


def test_a_phase_that_was_not_seen_keeps_its_limit() -> None:
    """Only what was measured is scaled."""
    assert clock_after({Phase.BLOCK: 0.1}).limits.of(Phase.PROOF) == UNSCALED_LIMITS.seconds[Phase.PROOF]


def test_what_a_block_was_asked_to_last_is_no_delay() -> None:
    """The time beyond the asked one counts, for each request in flight; the wall time is spent in full."""
    clock = PhaseClock()
    with clock.waiting(Phase.BLOCK, requested_s=3600.0, requests=4):
        pass
    assert clock.longest_s == {Phase.BLOCK: 0.0}
    with clock.waiting(Phase.START, requests=1):
        pass
    assert 0 < clock.longest_s[Phase.START] <= clock.spent_s[Phase.START] < 60


def test_the_deadline_is_the_limit_after_what_was_asked() -> None:
    """A wait may last as long as it was asked to and the limit on top."""
    clock = PhaseClock()
    with clock.waiting(Phase.BLOCK) as plain, clock.waiting(Phase.BLOCK, requested_s=1000.0) as longer:
        assert longer - plain == pytest.approx(1000.0, abs=5.0)


def test_a_failure_is_spent_but_sets_no_measure() -> None:
    """A phase that hung until it was killed doesn't widen the watchdogs."""
    clock = PhaseClock()
    with pytest.raises(TimeoutError), clock.waiting(Phase.COMPILE):
        raise TimeoutError
    assert clock.spent_s[Phase.COMPILE] > 0
    assert clock.longest_s == {}
