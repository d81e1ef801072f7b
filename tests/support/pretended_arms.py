"""Arms without workers, whose blocks have the latency that a test gives them."""

import random
from collections.abc import Callable
from math import exp

from autotp.findings.metric import METRICS
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.waves import Waves
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from tests.support.workerless import Workerless

PLAIN = BlockSettings()
QUOTA = BlockSettings(duration_s=0.3, lead_in_s=0.1)


class Pretended(Workerless):
    """An arm whose blocks have the latency `latency_s`, spread by `noise`; block `fails_at` fails."""

    def __init__(self, latency_s: float, noise: float = 0.0, fails_at: int | None = None) -> None:
        super().__init__()
        self.durations_s: list[float] = []
        self._latency_s, self._noise, self._fails_at = latency_s, noise, fails_at
        self._rng = random.Random(latency_s)

    def block(self, run: Run) -> Block:
        """Return the next block, and note how long it was to be."""
        if len(self.durations_s) == self._fails_at:
            raise ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
        self.durations_s.append(run.duration_s)
        return block_of(self._latency_s * exp(self._rng.gauss(0, self._noise)))


def block_of(latency_s: float) -> Block:
    """Ten inferences, each of that latency, one after the other."""
    return Block(count=10, elapsed_s=10 * latency_s, latencies_s=(latency_s,) * 10, memory_bytes=1)


def finals_of(
    latencies_s: dict[str, float],
    made: list[Pretended] | None = None,
    frail: tuple[str, int] = ("", 0),
    blocks: BlockSettings = PLAIN,
) -> Waves:
    """Waves of arms with these latencies, the first the best baseline; `frail` fails when made the nth time."""
    made = [] if made is None else made
    makes = dict.fromkeys(latencies_s, 0)

    def maker(key: str) -> Callable[[], Arm]:
        def make() -> Arm:
            makes[key] += 1
            made.append(Pretended(latencies_s[key], 0.01, fails_at=3 if (key, makes[key]) == frail else None))
            return made[-1]

        return make

    best = next(iter(latencies_s))
    return Waves({key: maker(key) for key in latencies_s}, best, METRICS["throughput"], blocks, seed=0)


def nothing() -> None:
    """Beat for nobody."""
