"""Weather: decides whether other load disturbed a block, so that the block is run again.

On a shared machine, others take CPU time from some blocks and not from others. That is read from the kernel's
accounts around the block, never from the block's own result: dropping slow blocks would make every arm look good.
What the arm causes itself (its context switches, throttling by its quota) is recorded but doesn't make a block
disturbed, because arms differ in it.

/proc/stat counts in ticks, and what runs at a tick is charged with the whole tick. All CPUs tick at the same time,
so on busy CPUs a window may count one tick of each CPU more than it is long. So the allowed time grows with the
number of CPUs, as does what agents, the kernel and a host's other guests take of a large machine.
"""

from collections.abc import Sequence
from math import sqrt

from autotp.measuring.samples.block import Block, Weather
from autotp.topology.envelope.cpu_usage import TICK_S

MOST_TAKEN = 0.2  # share of the CPUs' time
TICK_ERRORS = 1.5  # ticks, times the square root of the number of CPUs (if there are few)
REPEATED_SHARE = 0.25  # of the blocks that count
REPEATS_OF_A_BLOCK = 2


def disturbed(weather: Weather) -> bool:
    """Whether others took so much CPU time that the block isn't representative of the arm."""
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
    """Limits how many disturbed blocks are run again: at most about a quarter of those that count.

    Attributes:
        blocks: blocks that count.
        repeated: disturbed blocks that were dropped and run again.
        kept: disturbed blocks that count nevertheless, because the limit was reached.
    """

    def __init__(self) -> None:
        self.blocks = 0
        self.repeated = 0
        self.kept = 0

    def drops(self, block: Block, tries: int) -> bool:
        """Return whether to drop `block` and run it again; count it. `tries` is how often it has been run."""
        is_disturbed = disturbed(block.weather)
        if is_disturbed and tries <= REPEATS_OF_A_BLOCK and self.repeated < 1 + REPEATED_SHARE * self.blocks:
            self.repeated += 1
            return True
        self.blocks += 1
        self.kept += is_disturbed
        return False
