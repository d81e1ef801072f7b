"""Weather: what disturbed a block, so that a disturbed one can be run again.

A shared machine takes CPU time from some blocks and not from others. Whether it did is read from the kernel's
accounts around the block, never from the block's own result: dropping slow blocks would make every arm look good.
The arm's own doing (its switches, its quota's throttling) is recorded but doesn't condemn a block, because arms
differ in it.

/proc/stat counts in ticks, and what runs at a tick is charged with all of it. All CPUs tick at the same time, so
where all are busy a window may hold a tick of each more than its length has, and the share of the CPUs that counts
as taken grows with their number like what agents, the kernel and a host's other guests take of a large machine.
"""

from collections.abc import Sequence
from math import sqrt

from autotp.measuring.samples.block import Block, Weather
from autotp.topology import TICK_S

MOST_TAKEN = 0.2  # of the CPUs' time
TICK_ERRORS = 1.5  # ticks, times the square root of the CPUs where those are few
REPEATED_SHARE = 0.25
REPEATS_OF_A_BLOCK = 2


def disturbed(weather: Weather) -> bool:
    """Whether others took so much CPU time that the block tells of them rather than of the arm."""
    sure_s = TICK_S * max(TICK_ERRORS * sqrt(weather.cpus), weather.cpus)
    return weather.steal_s + weather.others_s > max(MOST_TAKEN * weather.cpus * weather.watched_s, sure_s)


def combined(weathers: Sequence[Weather]) -> Weather:
    """Return the weather of several workers that ran side by side, each on its own CPUs."""
    return Weather(
        watched_s=max(weather.watched_s for weather in weathers),
        cpus=sum(weather.cpus for weather in weathers),
        steal_s=sum(weather.steal_s for weather in weathers),
        others_s=sum(weather.others_s for weather in weathers),
        throttled_s=max(weather.throttled_s for weather in weathers),
        switches=sum(weather.switches for weather in weathers),
    )


def weather_counts(blocks: Sequence[Block]) -> dict[str, float]:
    """Return what disturbed `blocks` in all: counts of blocks and switches, and seconds, by name."""
    return {
        "disturbed": sum(disturbed(block.weather) for block in blocks),
        "dropped": sum(block.dropped for block in blocks),
        "steal_s": sum(block.weather.steal_s for block in blocks),
        "others_s": sum(block.weather.others_s for block in blocks),
        "throttled_s": sum(block.weather.throttled_s for block in blocks),
        "switches": sum(block.weather.switches for block in blocks),
    }


class RepeatLimit:
    """How often disturbed blocks may still be run again: a storm that lasts mustn't cost more than a quarter.

    Attributes:
        blocks: blocks that count.
        repeated: disturbed blocks that were dropped and run again.
        kept: disturbed blocks that count all the same, as patience had run out.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.repeated = 0
        self.kept = 0

    def drops(self, block: Block, tries: int) -> bool:
        """Return whether `block`, the result of so many tries, is to be dropped and run again; count it."""
        is_disturbed = disturbed(block.weather)
        if is_disturbed and tries <= REPEATS_OF_A_BLOCK and self.repeated < 1 + REPEATED_SHARE * self.blocks:
            self.repeated += 1
            return True
        self.blocks += 1
        self.kept += is_disturbed
        return False
