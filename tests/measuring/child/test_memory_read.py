"""Reading memory on the real CPUs."""

import pytest

from autotp.measuring.child import memory_read
from autotp.measuring.child.memory_read import LEAST_PART_BYTES, read_seconds


def test_what_is_beyond_the_most_counts_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand times as much as is really read takes longer than that."""
    monkeypatch.setattr(memory_read, "MOST_BYTES", 1 << 24)
    few, many = (read_seconds(count, threads=2) for count in (1 << 24, 1 << 34))
    assert few is not None
    assert many is not None
    assert 0.0 < few < many


@pytest.mark.parametrize(("count", "threads"), [(0, 1), (2 * LEAST_PART_BYTES - 1, 2), (LEAST_PART_BYTES, 2)])
def test_parts_too_small_to_be_timed_are_not(count: int, threads: int) -> None:
    """Calling numpy would take a part of the time."""
    assert read_seconds(count, threads) is None
