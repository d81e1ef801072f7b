"""The settings of blocks, the same for every arm: how long they are timed, and what runs untimed before.

Blocks are short, but not under a CPU quota. The kernel grants CPU time once per period, and stops a group that has
used up its share until the next period (Documentation/scheduler/sched-bwc.rst). A short block with an unused share
would never be stopped, although the arm's users would be; and a block after a greedier arm would be stopped
because of that arm. So under a quota, each arm first runs untimed for one period, and its blocks last whole
periods: wherever it begins, a block of one period holds all of the running and standing still that repeats. Three
are timed, so that the untimed one takes only a quarter of the time, but fewer long ones (a period is a second at
most): within a budget, several rounds give more than a long block.
"""

import sys
from math import ceil

import msgspec

from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import BLOCK_S, BlockUnit, Run, Workload
from autotp.topology.envelope.envelope import Envelope

LONGEST_BLOCK_SHARE = 1 / 300  # of a budget: a slow model must get enough rounds, too
TURNS_PER_BLOCK = 4  # turns of all requests in flight; the lead-in is one more, the drain at most one
QUOTA_PERIOD_S = 0.1  # the kernel's default (sched-bwc.rst), which Docker and Kubernetes keep
PERIODS_PER_BLOCK = 3
ROUNDS_A_PROCESS = 10  # the fewest usual rounds that say something of a process
ENOUGH_PERIODS_S = 0.3  # no further periods are added to a block for their number's sake


class BlockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long blocks are, and what runs before the timed part.

    Attributes:
        duration_s: seconds that are timed.
        lead_in_s: untimed seconds before, beyond one turn of the requests: a period of the CPU quota, if any.
        usual_s: how long blocks of the workload usually are.
        unit: what the length of a block is counted in.
        amount: how many bursts or passes a block is, if it isn't measured in seconds.
        in_turns: whether arms take turns, so that each block is in processes of its own.
    """

    duration_s: float = BLOCK_S
    lead_in_s: float = 0.0
    usual_s: float = BLOCK_S
    unit: BlockUnit = BlockUnit.SECONDS
    amount: int = 1
    in_turns: bool = False

    @classmethod
    def within(cls, envelope: Envelope, workload: Workload) -> "BlockSettings":
        """Return the settings for `workload` in `envelope`, which may have a CPU quota."""
        usual_s, unit = workload.block_s, workload.unit
        if envelope.cpu_quota is None or envelope.cpu_quota >= len(envelope.cpus):
            return cls(duration_s=usual_s, usual_s=usual_s, unit=unit)
        period_s = envelope.cpu_quota_period_s or QUOTA_PERIOD_S
        duration_s = _shortest_s(usual_s, period_s)
        return cls(duration_s=duration_s, lead_in_s=period_s, usual_s=usual_s, unit=unit)

    @property
    def by_count(self) -> bool:
        """Whether a block is an amount of work, the same for every arm, instead of a number of seconds."""
        return self.unit is not BlockUnit.SECONDS

    @property
    def first_look(self) -> "BlockSettings":
        """The settings of a first block, to see how long a turn takes: one turn, unless a quota could stop it."""
        return self if self.lead_in_s or self.by_count else BlockSettings(duration_s=0.0)

    @property
    def fixed_length(self) -> bool:
        """Whether the length can't be chosen: whole periods, an amount of work, or longer than usual already."""
        return self.by_count or self.in_turns or self.lead_in_s > 0.0 or self.duration_s > BLOCK_S

    def lasting(self, duration_s: float) -> "BlockSettings":
        """Return settings of blocks that last at least so long; under a quota they stay as they are."""
        longer_s = self.duration_s if self.lead_in_s else max(self.duration_s, duration_s)
        return msgspec.structs.replace(self, duration_s=longer_s)

    def taking_turns(self, start_s: float) -> "BlockSettings":
        """Return settings for arms that take turns and need `start_s` to start: blocks as long as a start."""
        return msgspec.structs.replace(self.lasting(start_s), in_turns=True)

    @property
    def all_work(self) -> "BlockSettings":
        """The same, but a block of bursts is a whole generation."""
        return msgspec.structs.replace(self, amount=sys.maxsize) if self.unit is BlockUnit.BURSTS else self

    def fit(self, turn_s: float, longest_s: float) -> "BlockSettings":
        """Return settings with time for four turns of all requests in flight, but at most `longest_s`.

        A block of passes gets as many of `turn_s` each as fill its usual length, at least one. A block of bursts
        gets as many as fill the periods of a quota, or as long as a start takes if arms take turns; else one.
        """
        if self.by_count:
            fills = self.unit is BlockUnit.PASSES or self.lead_in_s > 0.0 or self.in_turns
            amount = ceil(self.duration_s / turn_s) if fills else 1
            return msgspec.structs.replace(self, amount=max(self.amount, amount))
        wanted_s = min(TURNS_PER_BLOCK * turn_s, longest_s)
        if self.lead_in_s:
            wanted_s = _periods(wanted_s, self.lead_in_s) * self.lead_in_s
        return msgspec.structs.replace(self, duration_s=max(self.duration_s, wanted_s))

    def rounds(self, usual: int) -> int:
        """Return how many rounds hold as much timed work as `usual` rounds of the usual blocks.

        Blocks that are longer because the model is slow don't reduce the number; where arms take turns, each block
        stands for a process.
        """
        if self.in_turns:
            return ceil(usual / ROUNDS_A_PROCESS)
        if self.lead_in_s:
            return ceil(usual * BLOCK_S / _shortest_s(self.usual_s, self.lead_in_s))
        if self.usual_s > BLOCK_S:
            return ceil(usual * BLOCK_S / self.usual_s)
        return ceil(usual * BLOCK_S / min(self.duration_s, BLOCK_S))

    def run(self, arm: Arm, seed: int = 0, number: int = 0) -> Block:
        """Run block `number` of `arm`; `seed` sets what is random in it.

        Raises:
            ArmFailure: as `Arm.block`.
        """
        return arm.block(
            Run(
                number=number,
                duration_s=self.duration_s,
                lead_in_s=self.lead_in_s,
                amount=self.amount,
                seed=seed,
            )
        )


def _shortest_s(usual_s: float, period_s: float) -> float:
    """Return the length of the shortest blocks under a quota: whole periods that take `usual_s` or longer."""
    enough = min(PERIODS_PER_BLOCK, _periods(ENOUGH_PERIODS_S, period_s))
    return max(enough, _periods(usual_s, period_s)) * period_s


def _periods(seconds: float, period_s: float) -> int:
    """Return how many periods take `seconds` or longer."""
    return ceil(round(seconds / period_s, 6))
