"""Rounds: one block of every live arm, in random order, while all other arms are idle.

Neighbours, frequency and temperature drift over seconds; arms that share a round share the drift, so their
ratio within the round is far steadier than either figure.

A CPU quota breaks the rule that short blocks win. The kernel hands out CPU time once a period and stops a group
that has used up its share until the next one (Documentation/scheduler/sched-bwc.rst): a block that starts with a
fresh share never sees the stop that the arm's users would see, and one that follows a greedier arm pays that
arm's debt. So under a quota each arm runs untimed for a period first, and its blocks last whole periods.

At a rate a block begins with an empty queue. Near saturation that takes its time to build up, and a short block
ends before it has: so blocks at a rate are longer.

A language model's block isn't so many seconds but so many tokens, the same for every arm.
"""

import random
import sys
from collections.abc import Mapping
from math import ceil

import msgspec

from autotp.measure.protocol import ArmFailure, Block
from autotp.measure.rounds.arm import Arm
from autotp.measure.samples.weather import Patience
from autotp.measure.workload.workload import Workload
from autotp.topology import Envelope

BLOCK_S = 0.05
LONGEST_BLOCK_SHARE = 1 / 300  # of a budget: a slow model must still get its rounds
TURNS_PER_BLOCK = 4  # of all requests in flight: one more is the lead-in, at most one the drain
QUOTA_PERIOD_S = 0.1  # the kernel's default (sched-bwc.rst), which Docker and Kubernetes keep
PERIODS_PER_BLOCK = 3
OPEN_BLOCK_S = 0.5


class Blocks(msgspec.Struct, frozen=True, kw_only=True):
    """How blocks are made: untimed for a turn and for `lead_in_s`, a period of the quota, then timed for periods.

    Without a quota the turn is enough, and any duration will do, but not a short one `at_rate`. Blocks `by_token`
    are as many `bursts` of a generation.
    """

    duration_s: float = BLOCK_S
    lead_in_s: float = 0.0
    at_rate: bool = False
    by_token: bool = False
    bursts: int = 1

    @classmethod
    def within(cls, envelope: Envelope, workload: Workload) -> "Blocks":
        """Return how blocks of `workload` are made in `envelope`, where a quota may hold back its CPUs."""
        at_rate, by_token = workload.rate_per_s is not None, workload.generation is not None
        duration_s = OPEN_BLOCK_S if at_rate else BLOCK_S
        if envelope.cpu_quota is None or envelope.cpu_quota >= len(envelope.cpus):
            return cls(duration_s=duration_s, at_rate=at_rate, by_token=by_token)
        return cls(
            duration_s=max(duration_s, PERIODS_PER_BLOCK * QUOTA_PERIOD_S),
            lead_in_s=QUOTA_PERIOD_S,
            at_rate=at_rate,
            by_token=by_token,
        )

    @property
    def fitting(self) -> "Blocks":
        """The blocks that tell a latency first: a single turn of the requests, which a quota could stop midway."""
        return self if self.lead_in_s or self.by_token else Blocks(duration_s=0.0)

    @property
    def fixed(self) -> bool:
        """Whether their length isn't free to choose: whole periods, tokens, or longer than is usual already."""
        return self.by_token or self.lead_in_s > 0.0 or self.duration_s > BLOCK_S

    @property
    def whole(self) -> "Blocks":
        """These blocks, of a generation all its tokens."""
        return msgspec.structs.replace(self, bursts=sys.maxsize)

    def fit(self, turn_s: float, longest_s: float) -> "Blocks":
        """Return these blocks, longer if four turns of all requests in flight are, but at most `longest_s`.

        Of a generation they are as many bursts of `turn_s` as periods of a quota take.
        """
        if self.by_token:
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
        if self.at_rate:
            return ceil(usual * BLOCK_S / OPEN_BLOCK_S)
        if self.lead_in_s:
            return ceil(usual * BLOCK_S / (PERIODS_PER_BLOCK * self.lead_in_s))
        return ceil(usual * BLOCK_S / min(self.duration_s, BLOCK_S))

    def run(self, arm: Arm, seed: int = 0, number: int = 0) -> Block:
        """Run block `number` of `arm`, which says where in a generation it lies, with the arrivals of `seed`.

        Raises:
            ArmFailure: as `Arm.block`.
        """
        generation = arm.spec.workload.generation
        if generation is None:
            return arm.block(self.duration_s, self.lead_in_s, seed)
        return arm.generate(
            generation.burst(number, bursts=self.bursts, first_s=self.duration_s, lead_in_s=self.lead_in_s)
        )


def run_round(
    arms: Mapping[str, Arm], blocks: Blocks, rng: random.Random, patience: Patience, number: int = 0
) -> dict[str, Block | ArmFailure]:
    """Run one block of each arm, all with the same arrivals; return by key the block or how the arm failed.

    `number` is that of the round, in which all are at the same place of a generation. A block that others
    disturbed is run again as long as `patience` lasts.
    """
    order = list(arms)
    rng.shuffle(order)
    seed = rng.getrandbits(32)
    results: dict[str, Block | ArmFailure] = {}
    for key in order:
        try:
            results[key] = _undisturbed(arms[key], blocks, seed, number, patience)
        except ArmFailure as failure:
            results[key] = failure
    return results


def _undisturbed(arm: Arm, blocks: Blocks, seed: int, number: int, patience: Patience) -> Block:
    dropped = 0
    while patience.drops(block := blocks.run(arm, seed, number), tries=dropped + 1):
        dropped += 1
    return msgspec.structs.replace(block, dropped=dropped) if dropped else block
