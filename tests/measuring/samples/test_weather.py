"""Weather: what others took from a block, and how often a disturbed one is run again."""

import msgspec
import pytest

from autotp.measuring.samples.block import Block, Weather
from autotp.measuring.samples.weather import REPEATED_SHARE, RepeatLimit, combined, disturbed, weather_counts

CALM = Block(count=1, elapsed_s=0.05, latencies_s=(0.05,), memory_bytes=1)
DISTURBED = Block(
    count=1,
    elapsed_s=0.05,
    latencies_s=(0.05,),
    memory_bytes=1,
    weather=Weather(watched_s=0.05, cpus=2, others_s=0.05),
)


@pytest.mark.parametrize(
    ("weather", "expected"),
    [
        (Weather(watched_s=0.05, cpus=2), False),
        (Weather(watched_s=0.05, cpus=2, others_s=0.02), False),
        (Weather(watched_s=0.05, cpus=2, others_s=0.03), True),
        (Weather(watched_s=0.05, cpus=2, steal_s=0.02, others_s=0.02), True),
        (Weather(watched_s=0.05, cpus=96, others_s=0.9), False),
        (Weather(watched_s=1.0, cpus=96, others_s=5.0), False),
        (Weather(watched_s=1.0, cpus=96, others_s=20.0), True),
        (Weather(watched_s=0.05, cpus=2, throttled_s=0.04, switches=500), False),
    ],
)
def test_what_others_took_condemns_a_block(weather: Weather, expected: bool) -> None:
    """A fifth of the CPUs, beyond what the ticks may err by; the arm's own throttling and switches don't."""
    assert disturbed(weather) is expected


def test_a_calm_block_counts_at_once() -> None:
    """Nothing is dropped in calm weather."""
    repeats = RepeatLimit()
    assert not any(repeats.drops(CALM, tries=1) for _ in range(10))
    assert (repeats.blocks, repeats.repeated, repeats.kept) == (10, 0, 0)


def test_a_lasting_storm_costs_a_bounded_share() -> None:
    """Where every block is disturbed, a quarter is run again and all that count are counted as disturbed."""
    repeats = RepeatLimit()
    for _ in range(400):
        tries = 1
        while repeats.drops(DISTURBED, tries):
            tries += 1
        assert tries <= 3
    assert repeats.blocks == repeats.kept == 400
    assert repeats.repeated == pytest.approx(REPEATED_SHARE * 400, abs=2)


def test_the_weather_of_instances_adds_up() -> None:
    """CPUs and CPU time add; they ran at the same time, and under the same quota."""
    one = Weather(watched_s=0.05, cpus=2, steal_s=0.01, others_s=0.02, throttled_s=0.03, switches=4)
    other = Weather(watched_s=0.06, cpus=1, steal_s=0.01, throttled_s=0.02, switches=1)
    both = combined([one, other])
    assert (both.watched_s, both.cpus, both.throttled_s, both.switches) == (0.06, 3, 0.03, 5)
    assert (both.steal_s, both.others_s) == pytest.approx((0.02, 0.02))


def test_an_arms_weather_is_counted_over_its_blocks() -> None:
    """Disturbed blocks that count and those that were dropped before are counted apart."""
    counts = weather_counts([CALM, DISTURBED, msgspec.structs.replace(CALM, dropped=2)])
    assert (counts["disturbed"], counts["dropped"]) == (1, 2)
    assert counts["others_s"] == pytest.approx(0.05)
