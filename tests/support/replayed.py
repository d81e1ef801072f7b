"""Arms that replay recorded blocks, on a clock that costs nothing.

Noise is resampled as it came (`record_rounds.py`): processes that live together draw one recorded wave and a
contiguous run of its rounds, each process a recorded one of its own, so drift, autocorrelation, outliers and what
differs between processes stay. A run that ends is followed by another of the same wave: a process keeps its luck
for life. (Block bootstrap: Künsch, Annals of Statistics 17, 1989.) A true gain multiplies an arm's rates.

A block is replayed as long as it was recorded, whatever length is asked for.
"""

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from tests.support.workerless import Workerless


class Recording(msgspec.Struct, frozen=True):
    """Recorded rounds as blocks [wave][round][arm], and how long an arm took to start."""

    model: str
    waves: list[list[list[Block]]]
    arm_start_s: float

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `record_rounds` wrote."""
        with np.load(path) as table:
            counts, elapsed_s, latencies_s = (table[k].tolist() for k in ("counts", "elapsed_s", "latencies_s"))
            around_s = np.diff(table["ended_s"], axis=1) - table["elapsed_s"].sum(axis=2)[:, 1:]
            untimed_s = max(0.0, float(np.median(around_s)) / len(counts[0][0]))  # lead-in, drain, the parent
            waves = [
                [[_block(untimed_s, *cell) for cell in zip(*row, strict=True)] for row in zip(*wave, strict=True)]
                for wave in zip(counts, elapsed_s, latencies_s, strict=True)
            ]
            return cls(str(table["model"]), waves, float(table["arm_start_s"]))

    @property
    def arms(self) -> int:
        """How many arms ran side by side."""
        return len(self.waves[0][0])


def _block(untimed_s: float, count: int, elapsed_s: float, latencies_s: Sequence[float]) -> Block:
    return Block(
        count=count, elapsed_s=elapsed_s, untimed_s=untimed_s, latencies_s=tuple(latencies_s), memory_bytes=1
    )


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


class Processes:
    """Processes that live together: one recorded wave, replayed in runs of rounds."""

    def __init__(self, recording: Recording, rng: random.Random) -> None:
        self._rounds = rng.choice(recording.waves)
        self._rng = rng
        self._free = rng.sample(range(recording.arms), recording.arms)
        self._at = rng.randrange(len(self._rounds))
        self.round = 0
        self.over = False

    def join(self) -> int:
        """Return the number of a recorded process that nobody replays now."""
        if not self._free:
            raise RuntimeError("More arms live at once than were recorded.")
        return self._free.pop()

    def leave(self, number: int) -> None:
        """Let others have process `number`."""
        self.over = True
        self._free.insert(self._rng.randrange(len(self._free) + 1), number)

    def go_on(self) -> None:
        """Begin the next round."""
        self.round += 1
        self._at += 1
        if self._at == len(self._rounds):
            self._at = self._rng.randrange(len(self._rounds))

    def block(self, number: int) -> Block:
        """Return what process `number` did in this round."""
        return self._rounds[self._at][number]


class ReplayedArm(Workerless):
    """An arm that replays a recorded process, `speed` times as fast."""

    def __init__(self, processes: Processes, clock: Clock, recording: Recording, speed: float) -> None:
        super().__init__()
        self._processes, self._clock, self._recording, self._speed = processes, clock, recording, speed
        self._number: int | None = None
        self._seen = 0

    def launch(self, beside: int = 0) -> None:
        """Become one of the recorded processes."""
        self._number = self._processes.join()
        self._seen = self._processes.round

    def warm_up(self) -> None:
        """Let the time pass that an arm takes to start and warm up."""
        self._clock.now_s += self._recording.arm_start_s

    def stop(self) -> None:
        """Leave the processes."""
        super().stop()
        if self._number is not None:
            self._processes.leave(self._number)
            self._number = None

    def block(self, run: Run) -> Block:
        """Return what the process did next, and let its time pass."""
        assert self._number is not None, "a block of an arm that isn't running"
        if self._seen == self._processes.round:
            self._processes.go_on()
        self._seen = self._processes.round
        block = self._processes.block(self._number)
        if self._speed != 1.0:
            block = faster(block, self._speed)
        self._clock.now_s += block.elapsed_s + block.untimed_s
        return block


def faster(block: Block, speed: float) -> Block:
    """Return `block` as an arm `speed` times as fast would have run it."""
    return Block(
        count=block.count,
        elapsed_s=block.elapsed_s / speed,
        untimed_s=block.untimed_s,
        latencies_s=tuple(latency_s / speed for latency_s in block.latencies_s),
        memory_bytes=block.memory_bytes,
    )
