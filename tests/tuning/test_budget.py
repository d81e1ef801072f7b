"""The budget's clock."""

from autotp.tuning.budget import Budget, StoppableClock


def test_time_that_is_set_back_does_not_count() -> None:
    """After 100 s of waiting as much of the budget is left as before it."""
    clock = StoppableClock()
    budget = Budget.start(10.0, clock)
    end = budget.at(1.0)
    clock.set_back(100.0)
    assert budget.elapsed_s() < 0
    assert budget.at(1.0) == end
