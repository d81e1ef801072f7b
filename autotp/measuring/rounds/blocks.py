"""How blocks are made, the same for every arm: how long they are timed, and what runs untimed before.

A CPU quota breaks the rule that short blocks win. The kernel hands out CPU time once a period and stops a group
that has used up its share until the next one (Documentation/scheduler/sched-bwc.rst): a block that starts with a
fresh share never sees the stop that the arm's users would see, and one that follows a greedier arm pays that
arm's debt. So under a quota each arm runs untimed for a period first, and its blocks last whole periods.
"""

import sys
from math import ceil

import msgspec

from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import BLOCK_S, Run, Workload
from autotp.topology import Envelope

LONGEST_BLOCK_SHARE = 1 / 300  # of a budget: a slow model must still get its rounds
TURNS_PER_BLOCK = 4  # of all requests in flight: one more is the lead-in, at most one the drain
QUOTA_PERIOD_S = 0.1  # the kernel's default (sched-bwc.rst), which Docker and Kubernetes keep
PERIODS_PER_BLOCK = 3


class BlockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the blocks of all arms are made.

    Attributes:
        duration_s: seconds that are timed.
        lead_in_s: untimed seconds before, besides a turn of the requests: a period of the CPU quota, if any.
        usual_s: how long blocks of the workload usually are.
        by_count: whether a block is so much work, `bursts` of it, rather than so many seconds.
        bursts: of work in a block.
    """

    duration_s: float = BLOCK_S
    lead_in_s: float = 0.0
    usual_s: float = BLOCK_S
    by_count: bool = False
    bursts: int = 1

    @classmethod
    def within(cls, envelope: Envelope, workload: Workload) -> "BlockSettings":
        """Return how blocks of `workload` are made in `envelope`, where a quota may hold back its CPUs."""
        usual_s, by_count = workload.block_s, workload.by_count
        if envelope.cpu_quota is None or envelope.cpu_quota >= len(envelope.cpus):
            return cls(duration_s=usual_s, usual_s=usual_s, by_count=by_count)
        duration_s = max(usual_s, PERIODS_PER_BLOCK * QUOTA_PERIOD_S)
        return cls(duration_s=duration_s, lead_in_s=QUOTA_PERIOD_S, usual_s=usual_s, by_count=by_count)

    @property
    def first_look(self) -> "BlockSettings":
        """The first blocks, from which a latency is read: a single turn, which a quota could stop midway."""
        return self if self.lead_in_s or self.by_count else BlockSettings(duration_s=0.0)

    @property
    def fixed_length(self) -> bool:
        """Whether their length isn't free to choose: whole periods, so much work, or longer than usual already."""
        return self.by_count or self.lead_in_s > 0.0 or self.duration_s > BLOCK_S

    @property
    def all_work(self) -> "BlockSettings":
        """These blocks, where they are so much work all that there is."""
        return msgspec.structs.replace(self, bursts=sys.maxsize)

    def fit(self, turn_s: float, longest_s: float) -> "BlockSettings":
        """Return these blocks, longer if four turns of all requests in flight are, but at most `longest_s`.

        Where they are so much work, they are as many bursts of `turn_s` as the periods of a quota take.
        """
        if self.by_count:
            bursts = ceil(self.duration_s / turn_s) if self.lead_in_s else 1
            return msgspec.structs.replace(self, bursts=max(self.bursts, bursts))
        wanted_s = min(TURNS_PER_BLOCK * turn_s, longest_s)
        if self.lead_in_s:
            wanted_s = ceil(wanted_s / self.lead_in_s) * self.lead_in_s
        return msgspec.structs.replace(self, duration_s=max(self.duration_s, wanted_s))

    def rounds(self, usual: int) -> int:
        """Return how many rounds hold as much timed work as `usual` rounds of the usual blocks do.

        Blocks that are longer because the model is slow don't make up for rounds.
        """
        if self.usual_s > BLOCK_S:
            return ceil(usual * BLOCK_S / self.usual_s)
        if self.lead_in_s:
            return ceil(usual * BLOCK_S / (PERIODS_PER_BLOCK * self.lead_in_s))
        return ceil(usual * BLOCK_S / min(self.duration_s, BLOCK_S))

    def run(self, arm: Arm, seed: int = 0, number: int = 0) -> Block:
        """Run block `number` of `arm`, what is random in it from `seed`.

        Raises:
            ArmFailure: as `Arm.block`.
        """
        return arm.block(
            Run(
                number=number,
                duration_s=self.duration_s,
                lead_in_s=self.lead_in_s,
                bursts=self.bursts,
                seed=seed,
            )
        )
