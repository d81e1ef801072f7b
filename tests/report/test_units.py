"""SI values with the units that fit."""

import pytest

from autotp.report.units import metric_name, spell_budget, spell_bytes, spell_metric, spell_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(42e-6, "42 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (90, "90 s"), (300, "5 min")],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, text: str) -> None:
    """From microseconds to minutes."""
    assert spell_seconds(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(33.2, "34s"), (120, "120s"), (121, "3m"), (9000, "150m")])
def test_a_budget_is_one_number_with_a_unit(seconds: float, text: str) -> None:
    """As the flag takes it, and never less than what is needed."""
    assert spell_budget(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "0.5 KiB"), (3 * 2**20, "3 MiB"), (2**35, "32 GiB"), (0, "0 KiB")]
)
def test_a_size_has_the_unit_that_fits(count: int, text: str) -> None:
    """KiB, MiB and GiB are powers of two."""
    assert spell_bytes(count) == text


@pytest.mark.parametrize(
    ("key", "value", "name", "text"),
    [
        ("throughput_per_s", 1234.5, "throughput", "1,234/s"),
        ("latency_p50_s", 0.0015, "latency_p50", "1.5 ms"),
        ("memory_bytes", 2**30, "memory", "1 GiB"),
        ("tokens_per_s", 5.0, "tokens_per_s", "5/s"),
        ("copy_s", 0.002, "copy", "2 ms"),
        ("images_per_s", 7.0, "images", "7/s"),
        ("cache_bytes", 2**20, "cache", "1 MiB"),
    ],
)
def test_a_metric_is_spelled_after_its_key(key: str, value: float, name: str, text: str) -> None:
    """The unit in the key's name decides how the value is written."""
    assert (metric_name(key), spell_metric(key, value)) == (name, text)
